use super::*;

#[test]
fn of_several_exits_the_worst_counts() {
    let mut exits = [
        Exit::Failed,
        Exit::TimedOut,
        Exit::Credentials,
        Exit::Unavailable,
        Exit::Success,
        Exit::Unconfirmed,
    ];
    exits.sort();
    assert_eq!(exits.map(Exit::code), [0, 1, 6, 5, 4, 3]);
}
