//! `demo`.

use crate::support::User;

#[test]
fn demo_needs_no_account_and_shows_a_success_a_failure_and_a_killed_batch() {
    // What the environment says of an account is not used.
    let user = User::new()
        .set("PAN123_ACCESS_TOKEN", "of the user")
        .set("PAN123_BASE_URL", "http://127.0.0.1:1");
    let ended = user.run(&["demo", "--json"]).exits(0);
    let objects = ended.objects();
    let count = |change: &str| {
        let fits = objects.iter().filter(|object| object["change"] == change);
        fits.count()
    };
    assert_eq!(
        (count("failed"), count("unconfirmed")),
        (1, 1),
        "{ended:#?}"
    );
    assert_eq!(count("succeeded"), 1 + 4, "{ended:#?}");
    let texts = objects.iter().filter_map(|object| object["text"].as_str());
    let texts: Vec<_> = texts.collect();
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("$ pan123 batch settle films "))
    );
    assert!(texts.last().unwrap().contains("exactly once"), "{ended:#?}");
    assert!(!user.state().exists() && !user.config().exists());
}
