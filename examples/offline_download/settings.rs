//! The job, from the arguments and the environment.

use std::env;
use std::error::Error;

use pan123_async::{Client, ClientBuilder, DirId, Download};
use pan123_examples::demo::{Demo, LOOPBACK};
use pan123_examples::println;
use pan123_examples::settings::{
    NO_CREDENTIALS, callback_listener, client, temporary_signer, variable,
};
use tokio::net::TcpListener;

use crate::callback::{ID, Listen};

pub(crate) const USAGE: &str = "usage: offline_download [URL [FILE_NAME]]";

/// One download to make.
pub(crate) struct Job {
    pub(crate) client: Client,
    pub(crate) download: Download,
    /// Where its callback is received, if it has one.
    pub(crate) listen: Option<Listen>,
}

pub(crate) enum Plan {
    Help,
    /// Run against a mock.
    Demo,
    Real(Box<Job>),
}

impl Plan {
    pub(crate) async fn read() -> Result<Plan, Box<dyn Error>> {
        let mut arguments = env::args().skip(1);
        let (url, name) = (arguments.next(), arguments.next());
        if matches!(url.as_deref(), Some("-h" | "--help")) {
            return Ok(Plan::Help);
        }
        if url.as_ref().is_some_and(|url| url.starts_with('-')) || arguments.next().is_some() {
            return Err(USAGE.into());
        }
        match (client()?, url) {
            (None, None) => Ok(Plan::Demo),
            (None, Some(_)) => Err(NO_CREDENTIALS.into()),
            (Some(_), None) => {
                Err(format!("credentials are set, but no URL was given; {USAGE}").into())
            }
            (Some(builder), Some(url)) => {
                let job = Job::new(builder, Download::new(url)?, name).await?;
                Ok(Plan::Real(Box::new(job)))
            }
        }
    }
}

impl Job {
    async fn new(
        builder: ClientBuilder,
        mut download: Download,
        name: Option<String>,
    ) -> Result<Job, Box<dyn Error>> {
        if let Some(name) = name {
            download = download.file_name(name)?;
        }
        let client = builder.build()?;
        if let Some(dir) = dir(&client).await? {
            download = download.save_to(dir);
        }
        let mut job = Job {
            client,
            download,
            listen: None,
        };
        if let Some(url) = variable("PAN123_CALLBACK_URL")? {
            job = job.with_callback(callback_listener().await?, &url)?;
        }
        Ok(job)
    }

    /// Returns the job of a demonstration.
    pub(crate) async fn of(demo: &Demo) -> Result<Job, Box<dyn Error>> {
        println!("downloading {}", demo.source());
        let listener = TcpListener::bind(LOOPBACK).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let client = demo.client()?;
        let dir = client.files().ensure_dir("/videos/2026").await?;
        let download = Download::new(demo.source())?.file_name("video.mp4")?;
        let job = Job {
            client,
            download: download.save_to(dir),
            listen: None,
        };
        job.with_callback(listener, &url)
    }

    fn with_callback(mut self, listener: TcpListener, url: &str) -> Result<Job, Box<dyn Error>> {
        let signer = temporary_signer()?;
        self.download = self.download.callback(signer.sign(url, ID)?)?;
        self.listen = Some(Listen { listener, signer });
        Ok(self)
    }
}

/// Returns the folder to save to, if one is set.
async fn dir(client: &Client) -> Result<Option<DirId>, Box<dyn Error>> {
    match (variable("PAN123_DIR")?, variable("PAN123_DIR_ID")?) {
        (Some(_), Some(_)) => Err("set PAN123_DIR or PAN123_DIR_ID, not both".into()),
        (Some(path), None) => Ok(Some(client.files().ensure_dir(&path).await?)),
        (None, Some(id)) => Ok(Some(id.parse()?)),
        (None, None) => Ok(None),
    }
}
