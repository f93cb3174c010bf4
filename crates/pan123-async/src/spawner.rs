//! Runs work that must outlive its caller.

use crate::drive::BoxFuture;

/// Runs work apart from its caller: token fetches, which serve all calls of a client, the exchange of an OAuth code, and a request
/// that must not be sent again and whose future was dropped.
///
/// The default is tokio's current runtime. Set another one with [`ClientBuilder::spawner`](crate::ClientBuilder::spawner) to use a
/// client on another executor, together with a [`Clock`](crate::context::Clock) and a [`Transport`](crate::context::Transport) that need no tokio.
///
/// ```
/// use pan123_async::context::{BoxFuture, Spawner};
/// use pan123_async::Client;
///
/// /// An executor of your own.
/// struct Executor;
///
/// impl Spawner for Executor {
///     fn spawn(&self, work: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
///         std::thread::spawn(move || block_on(work));
///         Ok(())
///     }
/// }
/// # fn block_on(_: BoxFuture<'static, ()>) {}
/// # let client = Client::builder().access_token("t").spawner(Executor).build()?;
/// # drop(client);
/// # Ok::<(), pan123_async::BuildError>(())
/// ```
pub trait Spawner: Send + Sync + 'static {
    /// Starts the work. It is called within tokio's runtime if the caller runs, or ran, in one.
    ///
    /// # Errors
    ///
    /// Returns the work if it cannot be started. It then runs in place, and ends with its caller.
    fn spawn(&self, work: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>>;
}

/// Spawns tasks on tokio's current runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioSpawner;

impl Spawner for TokioSpawner {
    fn spawn(&self, work: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                runtime.spawn(work);
                Ok(())
            }
            Err(_) => Err(work),
        }
    }
}
