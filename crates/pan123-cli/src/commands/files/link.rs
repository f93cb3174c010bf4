//! `pan123 link`.

use clap::ValueHint;
use serde_json::json;

use crate::app::App;
use crate::drive::Drive;
use crate::failure::{Exit, Failure};
use crate::place::Place;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The files
    #[arg(value_name = "PATH|ID", value_hint = ValueHint::Other, required = true)]
    places: Vec<Place>,
}

pub(crate) async fn run(app: &App, args: Args) -> Result<Exit, Failure> {
    let drive = Drive::of(app)?;
    let mut exit = Exit::Success;
    for (place, entry) in args.places.iter().zip(drive.entries(&args.places).await) {
        let linked = async {
            let file = entry?.file().ok_or_else(|| no_file(app, place))?;
            Ok::<_, Failure>((file, drive.files.download_url(file).await?))
        };
        match linked.await {
            Ok((file, url)) => {
                let object = json!({ "type": "link", "id": file, "url": url.as_str() });
                app.out.result(url.as_str(), &object)?;
            }
            Err(failure) => exit = exit.max(app.out.failure(&failure)),
        }
    }
    Ok(exit)
}

fn no_file(app: &App, place: &Place) -> Failure {
    let message = app.out.lang.pick(
        format!("{place} is a folder: the service has links to files only"),
        format!("{place} 是文件夹：服务只提供文件的下载链接"),
    );
    Failure::new(Exit::Failed, message)
}
