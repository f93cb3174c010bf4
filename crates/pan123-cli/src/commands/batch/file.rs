//! `pan123 batch export` and `pan123 batch import`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter};
use std::path::Path;

use pan123_ledger::{ImportError, export as write, export_file, import as read};
use serde_json::json;

use super::LedgerArg;
use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::ledgers::{Choice, ServerArgs};

pub(super) fn export(app: &App, ledger: &LedgerArg, to: Option<&Path>) -> Result<Exit, Failure> {
    let (client, named) = ledger.existing(app)?;
    let account = client.session().ledger_account();
    let mut ledger = named.open(&client)?;
    let Some(path) = to else {
        let out = BufWriter::new(io::stdout().lock());
        write(&mut *ledger, &account, out).map_err(failed)?;
        return Ok(Exit::Success);
    };
    let count = export_file(&mut *ledger, &account, path).map_err(failed)?;
    let text = app.out.lang.pick(
        format!("{count} downloads exported"),
        format!("已导出 {count} 项"),
    );
    app.out
        .result(&text, &json!({"type": "exported", "count": count}))?;
    Ok(Exit::Success)
}

pub(super) fn import(
    app: &App,
    name: &str,
    server: &ServerArgs,
    from: &Path,
) -> Result<Exit, Failure> {
    let (out, lang) = (app.out, app.out.lang);
    let choice = Choice::new(app, Some(name), server)?;
    let client = app.client_on(&choice)?;
    let from: Box<dyn BufRead> = if from == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(from).map_err(|error| {
            let from = from.display();
            Failure::usage(lang.pick(
                format!("the export {from} cannot be read: {error}"),
                format!("无法读取导出文件 {from}：{error}"),
            ))
        })?;
        Box::new(BufReader::new(file))
    };
    let named = choice.find_or_default(app, &client)?;
    let mut ledger = named.open(&client)?;
    let imported = read(&mut *ledger, &client.session().ledger_account(), from);
    let imported = imported.map_err(failed)?;
    for (line, error) in &imported.bad_lines {
        let object = json!({"type": "bad_line", "line": line, "message": error.to_string()});
        let text = lang.pick(
            format!("line {line}: {error}"),
            format!("第 {line} 行：{error}"),
        );
        out.result(&text, &object)?;
    }
    let (added, known, bad) = (imported.added, imported.known, imported.bad);
    let object = json!({"type": "imported", "added": added, "known": known, "bad": bad});
    let text = lang.pick(
        format!("{added} imported, {known} known already, {bad} bad lines"),
        format!("导入 {added} 项，已有 {known} 项，有误 {bad} 行"),
    );
    out.result(&text, &object)?;
    Ok(if bad > 0 { Exit::Failed } else { Exit::Success })
}

fn failed(error: ImportError) -> Failure {
    match error {
        ImportError::Io(error) => error.into(),
        ImportError::Ledger(fault) => fault.into(),
        error => Failure::usage(error.to_string()),
    }
}
