use std::time::Duration;

use pan123_async::{Client, Download, OAuth, Parent, RetryPolicy, TaskId, WatchPolicy};
use pan123_mock::path::{ACCESS_TOKEN, OFFLINE_DOWNLOAD, USER_INFO};
use pan123_mock::{CLIENT_ID, CLIENT_SECRET, Fault, MockPan123, TaskScript};
use pan123_store::{FileStore, MemoryStore};

use super::*;

const LONG: Duration = Duration::from_secs(60);

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

/// A client of a mock with this fault, which tries twice and gives up after this time.
async fn client(fault: Option<Fault>, timeout: Duration) -> (MockPan123, Client) {
    let mock = MockPan123::start().await;
    if let Some(fault) = fault {
        mock.fault(fault);
    }
    let retry = RetryPolicy::default()
        .max_attempts(2)
        .initial_backoff(Duration::from_millis(1));
    let client = Client::builder()
        .credentials(CLIENT_ID, CLIENT_SECRET)
        .base_url(mock.base_url())
        .retry(retry)
        .request_timeout(Duration::from_millis(500))
        .call_timeout(timeout)
        .build();
    (mock, client.unwrap())
}

#[tokio::test]
async fn fault_of_a_call_decides_the_exit() {
    let on_call = |fault: Fault| fault.on(USER_INFO).always();
    for (fault, exit) in [
        (on_call(Fault::business_error()), Exit::Failed),
        (on_call(Fault::html()), Exit::Failed),
        (on_call(Fault::bad_gateway()), Exit::Unavailable),
        (on_call(Fault::gateway_timeout()), Exit::Unavailable),
        (on_call(Fault::closed()), Exit::Unavailable),
        (on_call(Fault::reset()), Exit::Unavailable),
        (on_call(Fault::rate_limited()), Exit::Unavailable),
        (on_call(Fault::hang()), Exit::Unavailable),
        (on_call(Fault::unauthorized()), Exit::Credentials),
        (
            Fault::bad_gateway().on(ACCESS_TOKEN).always(),
            Exit::Unavailable,
        ),
        (
            Fault::unauthorized().on(ACCESS_TOKEN).always(),
            Exit::Credentials,
        ),
    ] {
        let shown = format!("{fault:?}");
        let (_mock, client) = client(Some(fault), Duration::from_secs(1)).await;
        let error = client.user_info().await.unwrap_err();
        assert_eq!(exit_of(&error), exit, "{shown}: {error}");
    }
}

#[tokio::test]
async fn create_whose_response_is_lost_is_unconfirmed() {
    let lost = Fault::response_lost().on(OFFLINE_DOWNLOAD);
    let (_mock, client) = client(Some(lost), LONG).await;
    let download = Download::new("https://example.com/a").unwrap();
    let error = client.offline_download().download(&download).await;
    assert_eq!(exit_of(&error.unwrap_err()), Exit::Unconfirmed);
}

#[tokio::test]
async fn end_of_a_watch_decides_the_exit() {
    let (mock, client) = client(None, LONG).await;
    let offline = client.offline_download();
    let (failing, running) = ("https://example.com/failing", "https://example.com/running");
    mock.service(|service| {
        service.set_script_for(failing, TaskScript::fails_after(1, "source is gone"));
        service.set_script_for(running, TaskScript::succeeds_after(1000));
    });
    let create = async |url| {
        let download = Download::new(url).unwrap();
        offline.download(&download).await.unwrap()
    };
    let short = WatchPolicy::default().deadline(Duration::from_millis(1));

    let error = offline.wait(create(failing).await).await.unwrap_err();
    assert_eq!(exit_of_watch(&error), Exit::Failed, "{error}");

    let task = create(running).await;
    let mut watch = offline.watch_with(task, short);
    while let Some(event) = watch.next().await {
        if let Err(error) = event {
            assert_eq!(exit_of_watch(&error), Exit::TimedOut, "{error}");
        }
    }

    let mut watch = offline.watch(task);
    watch.handle().stop();
    let error = watch.next().await.unwrap().unwrap_err();
    assert_eq!(exit_of_watch(&error), Exit::Interrupted, "{error}");

    mock.fault(Fault::unauthorized().always());
    let error = offline.wait(TaskId::new(1).unwrap()).await.unwrap_err();
    assert_eq!(exit_of_watch(&error), Exit::Credentials, "{error}");
    assert_eq!(exit_of(&Error::Watch(Box::new(error))), Exit::Credentials);
}

#[tokio::test]
async fn what_is_wrong_before_anything_is_sent_decides_the_exit() {
    let (mock, client) = client(None, LONG).await;
    let files = client.files();
    let error = files.find("/a/../b").await.unwrap_err();
    assert_eq!(exit_of(&error), Exit::Usage);

    let mut listing = files.list(Parent::Root);
    listing.handle().stop();
    let error = listing.next().await.unwrap().unwrap_err();
    assert_eq!(exit_of(&error), Exit::Interrupted);

    let builder = || Client::builder().base_url(mock.base_url());
    let folder = tempfile::tempdir().unwrap();
    let store = FileStore::new(folder.path());
    let client = builder().credentials(CLIENT_ID, CLIENT_SECRET);
    let error = client.token_store(store).build().unwrap().user_info().await;
    assert_eq!(exit_of(&error.unwrap_err()), Exit::Failed);

    let app = OAuth::new(CLIENT_ID, CLIENT_SECRET);
    let client = builder().oauth(app).token_store(MemoryStore::new());
    let error = client.build().unwrap().user_info().await.unwrap_err();
    assert_eq!(exit_of(&error), Exit::Credentials);
    let failure = Failure::from(error);
    assert!(
        failure.message.contains("pan123 login --oauth"),
        "{failure:?}"
    );

    for (error, exit) in [
        (builder().build().unwrap_err(), Exit::Credentials),
        (
            builder().access_token("a b").build().unwrap_err(),
            Exit::Credentials,
        ),
        (
            Client::builder()
                .access_token("t")
                .base_url("ftp://x")
                .build()
                .unwrap_err(),
            Exit::Usage,
        ),
    ] {
        assert_eq!(Failure::from(error.clone()).exit, exit, "{error}");
    }
    assert_eq!(mock.requests().len(), 0);
}

#[test]
fn closed_output_has_no_message() {
    let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
    assert_eq!((closed.exit, &*closed.message), (Exit::Failed, ""));
    let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
    assert_ne!(full.message, "");
}
