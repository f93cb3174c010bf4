//! `pan123 demo`: the command at work, without an account.

mod world;

use pan123_mock::path::OFFLINE_DOWNLOAD;
use pan123_mock::{Fault, Service};
use serde_json::Value;

use crate::app::App;
use crate::failure::{Exit, Failure};
use world::World;

/// The files of the list.
const FILES: usize = 4;
/// After so many creates the batch is killed.
const KILLED_AFTER: usize = 2;

pub(crate) async fn run(app: &App) -> Result<Exit, Failure> {
    let world = World::build(app).await?;
    tokio::task::block_in_place(|| show(&world))?;
    Ok(Exit::Success)
}

fn show(world: &World<'_>) -> Result<(), Failure> {
    let base = world.base_url();
    world.say(
        &format!("No account is needed: all of this runs against a mock of the service on {base}, which really fetches from this machine."),
        &format!("无需账号：以下命令都连接本机的模拟服务 {base}，它会真实地从本机抓取文件。"),
    )?;
    world.say(
        "\n1. The cloud fetches a file, and the command waits for its end:",
        "\n1. 云端抓取一个文件，命令等待其完成：",
    )?;
    let film = world.url("film.mkv");
    world.run(&["download", &film, "--to", "/videos", "--wait"], 0)?;
    world.run(&["ls", "/videos"], 0)?;
    world.say(
        "\n2. The source has no such file. The exit code is 1:",
        "\n2. 源站没有这个文件，退出码为 1：",
    )?;
    let missing = world.url("missing.zip");
    let once = ["download", &missing, "--wait", "--attempts", "1"];
    world.run(&once, 1)?;
    killed(world)?;
    settled(world)
}

/// A batch is killed while it waits for the answer to a create, and started again.
fn killed(world: &World<'_>) -> Result<(), Failure> {
    let urls: Vec<String> = (1..=FILES).map(|number| world.url(&file(number))).collect();
    world.write("films.txt", &(urls.join("\n") + "\n"))?;
    world.say(
        &format!("\n3. A list of {FILES} files, and the command is killed at the worst moment:"),
        &format!("\n3. 一份含 {FILES} 个文件的列表，命令在最糟的时刻被强行终止："),
    )?;
    let before = world.tasks();
    let batch = ["batch", "films.txt", "--ledger", "films"];
    let mut running = world.start(&batch)?;
    world.wait_until("a batch that creates downloads", |service| {
        service.tasks().len() >= before + KILLED_AFTER
    })?;
    let known = world.mock().service(|service| {
        service.fault(Fault::late().on(OFFLINE_DOWNLOAD));
        service.tasks().len()
    });
    world.wait_until("a create without an answer", |service| {
        service.tasks().len() > known
    })?;
    running.kill()?;
    world.mock().clear_faults();
    world.say(
        "(killed: the service has created a download, and its answer never came)",
        "（已强行终止：服务端已创建一个任务，但命令没有收到答复）",
    )?;
    world.say(
        "\n4. The same command goes on. What may have been sent is not sent again, so the exit code is 4, unconfirmed:",
        "\n4. 再次运行同一命令即可继续。可能已发送的那一项不会重发，因此退出码为 4（未确认）：",
    )?;
    world.run(&batch, 4)
}

/// Somebody looks what has become of the download in doubt, and says so.
fn settled(world: &World<'_>) -> Result<(), Failure> {
    world.say(
        "\n5. You look into the drive and say what has become of it:",
        "\n5. 查看云盘后，说明那一项的结果：",
    )?;
    let shown = world.objects(&["batch", "show", "films"])?;
    let unconfirmed = shown.iter().find(|it| it["change"] == "unconfirmed");
    let text = |key: &str| unconfirmed.and_then(|it| it[key].as_str());
    let (Some(key), Some(name)) = (text("key"), text("name")) else {
        return Err(world.failed("no download is unconfirmed"));
    };
    let task = world.task_of(&world.url(name));
    let Some(task) = task else {
        return Err(world.failed("the download in doubt was not created"));
    };
    let digits = crate::keys::short_key(key);
    world.run(
        &[
            "batch",
            "settle",
            "films",
            digits,
            "--was",
            &task.to_string(),
        ],
        0,
    )?;
    world.run(&["batch", "resume", "films"], 0)?;
    for number in 1..=FILES {
        let times = world
            .mock()
            .service(|service| created(service, &world.url(&file(number))));
        if times != 1 {
            return Err(world.failed(&format!("{} was created {times} times", file(number))));
        }
    }
    world.say(
        &format!("\nEach of the {FILES} files was ordered exactly once. Next: `pan123 login`, then `pan123 download URL`."),
        &format!("\n{FILES} 个文件各下载了一次，没有重复。下一步：`pan123 login`，然后 `pan123 download 链接`。"),
    )
}

fn file(number: usize) -> String {
    format!("episode-{number}.mkv")
}

fn created(service: &Service, url: &str) -> usize {
    let tasks = service.tasks().iter();
    tasks.filter(|task| task.url() == url).count()
}

/// The objects in what a command printed.
fn objects(output: &[u8]) -> Vec<Value> {
    let lines = output.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}
