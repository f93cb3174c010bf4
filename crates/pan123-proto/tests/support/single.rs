//! One call over one server.

use pan123_proto::offline::{CreatedDownload, Progress};
use pan123_proto::{Call, Error, Session};

use super::{Reply, World, download, fixed, progress, routine};

pub(crate) type Created = Result<CreatedDownload, Error>;

pub(crate) fn create(session: &Session) -> Call<CreatedDownload> {
    session.call(&download()).expect("a good request")
}

pub(crate) fn ask(session: &Session) -> Call<Progress> {
    session.call(&progress()).expect("a good request")
}

/// A world that replies to the first request with this, and normally from then on.
pub(crate) fn first(reply: Reply) -> World {
    let mut reply = Some(reply);
    World::new(move |view, request| reply.take().unwrap_or_else(|| routine(view, request)))
}

/// A world that replies to every request with this.
pub(crate) fn always(reply: impl Fn() -> Reply + 'static) -> World {
    World::new(move |_, _| reply())
}

pub(crate) fn run_create(mut world: World) -> (World, Created) {
    let created = world.start(create(&fixed()));
    world.run();
    (world, created.get())
}

pub(crate) fn run_ask(mut world: World) -> (World, Result<Progress, Error>) {
    let asked = world.start(ask(&fixed()));
    world.run();
    (world, asked.get())
}
