//! Any inputs in any order.

use crate::support::cases::config;
use proptest::prelude::*;

/// Moves of a driver, most of which advance a machine.
fn moves() -> impl Strategy<Value = Vec<u8>> {
    let what = prop_oneof![
        4 => Just(0_u8),
        6 => Just(1),
        6 => 2..6_u8,
        8 => Just(7),
        3 => any::<u8>(),
    ];
    let step = (any::<u8>(), what, any::<u8>()).prop_map(|(who, what, how)| [who, what, how]);
    (any::<[u8; 3]>(), prop::collection::vec(step, 0..150))
        .prop_map(|(setup, moves)| [&setup[..], &moves.concat()].concat())
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn machines_accept_any_inputs_in_any_order(data in moves()) {
        crate::fuzzed::machine::run(&data);
    }
}
