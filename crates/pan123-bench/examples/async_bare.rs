//! The floor of `async_ours`: the same call with the bare reqwest, its answer read with serde.

#[derive(serde::Deserialize)]
struct Answer {
    data: Progress,
}

#[derive(serde::Deserialize)]
struct Progress {
    process: Option<f64>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = "https://open-api.123pan.com/api/v1/offline/download/process?taskID=1";
    let request = reqwest::Client::new().get(url).bearer_auth("token");
    let response = request.header("platform", "open_platform").send().await?;
    let answer: Answer = serde_json::from_slice(&response.bytes().await?)?;
    std::process::exit(i32::from(answer.data.process.is_some()))
}
