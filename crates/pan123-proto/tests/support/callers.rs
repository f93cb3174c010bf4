//! Many callers that need the token of one session.

use pan123_proto::user::{GetUserInfo, UserInfo};
use pan123_proto::{Error, ErrorKind, Pacing, Session};

use super::{Outcome, World, builder};

pub(crate) type Asked = Outcome<Result<UserInfo, Error>>;

/// Without a pace, so that all callers send at once.
pub(crate) fn unpaced() -> Session {
    let builder = builder().pacing(Pacing::off());
    builder.build().expect("good settings")
}

pub(crate) fn ask_user(world: &mut World, session: &Session) -> Asked {
    world.start(session.call(&GetUserInfo).expect("a good request"))
}

pub(crate) fn ask_many(world: &mut World, session: &Session, callers: usize) -> Vec<Asked> {
    (0..callers).map(|_| ask_user(world, session)).collect()
}

/// Makes one call.
pub(crate) fn get_user(world: &mut World, session: &Session) -> Result<UserInfo, Error> {
    let asked = ask_user(world, session);
    world.run();
    asked.get()
}

pub(crate) fn assert_many_succeed(world: &mut World, session: &Session, callers: usize) {
    let asked = ask_many(world, session, callers);
    world.run();
    assert_all_well(&asked);
}

pub(crate) fn assert_all_well(asked: &[Asked]) {
    for one in asked {
        one.get().expect("success");
    }
}

pub(crate) fn kinds(asked: &[Asked]) -> Vec<ErrorKind> {
    let kind = |one: &Asked| one.get().expect_err("a failure").kind();
    asked.iter().map(kind).collect()
}
