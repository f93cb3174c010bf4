//! The settings of a session, passed on by the builders of the adapters: one list for both.

/// Gives a builder with a field `session: SessionBuilder` the methods of a [`SessionBuilder`](crate::SessionBuilder).
#[doc(hidden)]
#[macro_export]
macro_rules! forward_session_options {
    ($builder:ident) => {
        impl $builder {
            $crate::forward_session_options! { @each
                /// The `clientID` and `clientSecret` of a developer: the token is fetched, shared and replaced by itself.
                credentials(id: impl Into<String>, secret: impl Into<String>);
                /// An access token that was fetched elsewhere and that nobody replaces.
                access_token(token: impl Into<String>);
                /// An app of a third party that acts for a user, with tokens that the session refreshes by itself. It needs a
                /// token store.
                oauth(app: $crate::OAuth);
                /// Where the service is, by default `https://open-api.123pan.com`.
                /// Plain `http://` is for `localhost`, 127.x.x.x and `[::1]` only.
                base_url(url: impl Into<String>);
                /// Lets the client secret and the tokens go to any `http://` base URL, where everybody on the way can read
                /// them; off by default.
                allow_credentials_over_plain_http(allowed: bool);
                /// How often a failed attempt is made again.
                retry(policy: $crate::RetryPolicy);
                /// How fast requests may follow each other.
                pacing(pacing: $crate::Pacing);
                /// How long a connection may take to be made, TLS included; 10 s by default. Of no use with an HTTP client or
                /// transport of your own.
                connect_timeout(timeout: ::std::time::Duration);
                /// How long one request may take, 30 s by default.
                request_timeout(timeout: ::std::time::Duration);
                /// How long a call may take with all its waits and attempts, 120 s by default, 1 s at the least.
                call_timeout(timeout: ::std::time::Duration);
                /// The most bytes of an answer's body, 1 MiB by default, 1 KiB at the least.
                body_limit(bytes: usize);
                /// The `User-Agent` header, by default `pan123-rs` and a version.
                user_agent(text: impl Into<String>);
                /// The part of a message that says that too many downloads run at once.
                too_many_downloads_text(text: impl Into<String>);
                /// The seed of all chance, for tests; drawn anew for each client by default.
                seed(seed: u64);
            }
        }
    };
    (@each $($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*);)*) => {
        $(
            $(#[$doc])*
            pub fn $name(mut self, $($arg: $type),*) -> Self {
                self.session = self.session.$name($($arg),*);
                self
            }
        )*
    };
}
