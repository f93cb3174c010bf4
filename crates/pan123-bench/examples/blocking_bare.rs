//! The floor of `blocking_ours`: the same call with the bare ureq, its answer read with serde.

#[derive(serde::Deserialize)]
struct Answer {
    data: Progress,
}

#[derive(serde::Deserialize)]
struct Progress {
    process: Option<f64>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = "https://open-api.123pan.com/api/v1/offline/download/process?taskID=1";
    let request = ureq::get(url).header("authorization", "Bearer token");
    let mut response = request.header("platform", "open_platform").call()?;
    let answer: Answer = serde_json::from_slice(&response.body_mut().read_to_vec()?)?;
    std::process::exit(i32::from(answer.data.process.is_some()))
}
