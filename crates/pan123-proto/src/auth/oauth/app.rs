//! The settings of an app that acts for a user.

use secrecy::{ExposeSecret, SecretString};

use crate::api::oauth::{App, AuthorizationCodeGrant, RefreshTokenGrant};
use crate::endpoint::Query;
use crate::error::BuildError;
use crate::wire::credential::check_credential;
use crate::wire::http_url::RedactedUrl;
use crate::wire::redaction::Secrets;

/// The page where a user authorizes an app.
const AUTHORIZE: &str = "https://www.123pan.com/auth";
const SCOPE: &str = "user:base,file:all:read,file:all:write";

/// An app of a third party, and the user for whom it acts: the credentials of a session with OAuth.
///
/// The service issues token pairs. The access token is valid for two hours; the refresh token works once, for the next pair, and
/// revokes the access token. Each pair is therefore saved in a token store before it is used, and a session with OAuth needs one.
/// The first pair comes from [`Session::authorize`](crate::Session::authorize); later ones are fetched automatically:
///
/// ```
/// use pan123_proto::{OAuth, Session};
///
/// let app = OAuth::new("client id", "client secret").user("alice");
/// let page = app.authorize_url("https://app.example/callback", "an unguessable text")?;
/// assert!(page.starts_with("https://www.123pan.com/auth?client_id=client%20id&"));
/// // Alice's browser opens this page, and comes back to the redirect URI with a `code` and the same `state`.
/// let session = Session::builder().oauth(app).persist_token(true).build()?;
/// let authorize = session.authorize("the code", "https://app.example/callback")?;
/// # drop(authorize);
/// # Ok::<(), pan123_proto::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct OAuth {
    app: App,
    user: Option<String>,
    refresh_token: Option<SecretString>,
}

impl OAuth {
    /// Creates the settings of an app with this `client_id` and `client_secret`.
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> OAuth {
        OAuth {
            app: App::new(client_id, client_secret),
            user: None,
            refresh_token: None,
        }
    }

    /// Sets a label for the user, which an app with several users needs: it is part of the [`Account`](crate::Account) under which
    /// the pair is stored, so that users do not get each other's pairs.
    pub fn user(mut self, label: impl Into<String>) -> OAuth {
        self.user = Some(label.into());
        self
    }

    /// Sets an unused refresh token from elsewhere. It is used only while the store holds no pair.
    pub fn refresh_token(mut self, token: impl Into<String>) -> OAuth {
        self.refresh_token = Some(SecretString::from(token.into()));
        self
    }

    /// Returns the page where the user authorizes the app. It redirects the browser to `redirect_uri` with a `code`, for
    /// [`Session::authorize`](crate::Session::authorize), and with the same `state`: make the state unguessable, and accept no code
    /// that comes with another one.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the client id or the state is empty, or if the redirect URI is invalid.
    pub fn authorize_url(&self, redirect_uri: &str, state: &str) -> Result<String, BuildError> {
        check_credential("client id", &self.app.client_id)?;
        check_redirect_uri(redirect_uri)?;
        if state.is_empty() {
            return Err(BuildError::Setting {
                what: "the state",
                given: "empty".to_owned(),
                allowed: "it must be an unguessable text, so that nobody else's code can pass for the user's",
            });
        }
        let mut query = Query::default();
        query.push("client_id", &self.app.client_id);
        query.push("redirect_uri", redirect_uri);
        query.push("scope", SCOPE);
        query.push("state", state);
        Ok(format!("{AUTHORIZE}{}", query.as_str()))
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.app.client_id
    }

    pub(crate) fn user_label(&self) -> Option<&str> {
        self.user.as_deref()
    }

    pub(crate) fn first_refresh_token(&self) -> Option<&SecretString> {
        self.refresh_token.as_ref()
    }

    /// Adds the secrets that no error may quote.
    pub(crate) fn secrets(&self, secrets: &mut Secrets) {
        secrets.push(self.app.client_secret.expose_secret());
        if let Some(token) = &self.refresh_token {
            secrets.push(token.expose_secret());
        }
    }

    pub(crate) fn check(&self) -> Result<(), BuildError> {
        self.app.check()?;
        if let Some(token) = &self.refresh_token {
            check_credential("refresh token", token.expose_secret())?;
        }
        if self.user.as_deref() == Some("") {
            return Err(BuildError::Setting {
                what: "the user of an OAuth app",
                given: "empty".to_owned(),
                allowed: "give each user a label of its own, or none if there is only one user",
            });
        }
        Ok(())
    }

    pub(crate) fn exchange(&self, code: &str, redirect_uri: &str) -> AuthorizationCodeGrant {
        AuthorizationCodeGrant {
            app: self.app.clone(),
            code: SecretString::from(code),
            redirect_uri: redirect_uri.to_owned(),
        }
    }

    pub(crate) fn refresh(&self, refresh_token: SecretString) -> RefreshTokenGrant {
        RefreshTokenGrant {
            app: self.app.clone(),
            refresh_token,
        }
    }
}

/// Rejects what is not a URI. An app on a phone may have a scheme of its own; the service knows what else is allowed.
pub(super) fn check_redirect_uri(uri: &str) -> Result<(), BuildError> {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", ""));
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if scheme.is_empty() || rest.is_empty() || uri.contains(odd) {
        return Err(BuildError::Setting {
            what: "the redirect URI",
            given: format!("{:?}", RedactedUrl(uri)),
            allowed: "it must be the URI that is registered for the app, such as `https://app.example/callback`",
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> OAuth {
        OAuth::new("client-id", "canary-secret")
    }

    #[test]
    fn authorize_url_is_the_documented_one() {
        let page = app().authorize_url("https://app.example/cb?n=1&m=2", "st/ate+1");
        assert_eq!(
            page.unwrap(),
            "https://www.123pan.com/auth?client_id=client-id&redirect_uri=https%3A%2F%2Fapp.example%2Fcb%3Fn%3D1%26m%3D2\
             &scope=user%3Abase%2Cfile%3Aall%3Aread%2Cfile%3Aall%3Awrite&state=st%2Fate%2B1"
        );
    }

    #[test]
    fn invalid_redirect_uri_or_state_is_rejected() {
        for redirect in ["", "callback", "https:", "https://a b/", "https://a/\n"] {
            let error = app().authorize_url(redirect, "s").unwrap_err().to_string();
            assert!(error.contains("registered for the app"), "{error}");
        }
        app().authorize_url("my.app:/callback", "s").unwrap();
        let error = app().authorize_url("https://a/", "").unwrap_err();
        assert!(error.to_string().contains("unguessable"), "{error}");
        let nobody = OAuth::new("", "secret").authorize_url("https://a/", "s");
        assert!(matches!(nobody, Err(BuildError::Credential { .. })));
    }

    #[test]
    fn debug_shows_no_secret() {
        let app = app().user("alice").refresh_token("canary-refresh");
        let shown = format!("{app:?}");
        assert!(
            shown.contains("alice") && !shown.contains("canary"),
            "{shown}"
        );
    }
}
