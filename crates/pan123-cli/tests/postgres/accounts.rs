//! The token that machines share.

use std::fs;
use std::time::Duration;

use pan123_mock::MockPan123;
use pan123_mock::path::OAUTH_TOKEN;

use super::Database;
use crate::account::holds;
use crate::oauth;

#[test]
fn a_user_authorizes_an_app_once_for_all_machines() {
    let Some(database) = Database::find() else {
        return;
    };
    let mock = MockPan123::start_blocking();
    let first = database.stranger(&mock);
    let waiting = oauth::start(&first);
    let code = mock.authorize(&*waiting.redirect_uri);
    waiting.come_back(&format!("code={code}&state={}", waiting.state));
    waiting.running.end().exits(0);
    assert!(!holds(&first.config(), "refresh"));

    let second = database.stranger(&mock);
    fs::create_dir(second.config()).unwrap();
    let credentials = |folder: std::path::PathBuf| folder.join("credentials.json");
    fs::copy(credentials(first.config()), credentials(second.config())).unwrap();
    second.run(&["whoami"]).exits(0);
    mock.assert_requests(OAUTH_TOKEN, 1);
    // The access token lives for two hours, and a refresh token works once.
    for (user, refreshes) in [(&second, 1), (&first, 2)] {
        mock.advance(Duration::from_secs(3 * 3600));
        user.run(&["whoami"]).exits(0);
        mock.assert_oauth_refreshes(refreshes);
    }
    let shown = second.run(&["whoami", "--json"]).exits(0).object();
    assert_eq!(shown["ledger"], database.url());
}
