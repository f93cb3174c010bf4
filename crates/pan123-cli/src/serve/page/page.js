"use strict";

const TEXTS = {
  en: {
    skip: "Skip to the downloads", other: "中文", unlock: "Secret", unlockHint: "The service printed where its secret is kept when it started.",
    secret: "Secret of the service", open: "Open", wrong: "The secret is wrong.", totals: "Totals",
    add: "Add downloads", urls: "URLs, one a line", folder: "Folder of the drive", name: "File name",
    folderHint: "Empty: the service's own folder. A folder that is missing is made.", nameHint: "The name counts for a single URL.", addButton: "Add",
    added: (n) => n === 1 ? "1 download added." : `${n} downloads added.`, notAdded: (n) => n === 1 ? "1 URL was refused:" : `${n} URLs were refused:`,
    connected: "live", connecting: "connecting…", lost: "not connected; trying again…",
    unconfirmed: "Unconfirmed", active: "Running", waiting: "Queued", failed: "Failed", complete: "Done", removed: "Removed",
    unconfirmedHint: "The request may have arrived, and nothing tells whether it did. Look into your drive; it is not sent again unless you say so.",
    is: "It was created", isTask: "as task", isFile: "as file", idOf: "Id", confirm: "Confirm", find: "Look for its file", again: "Send again", drop: "Give up",
    againSure: "Send it again? If the first request arrived after all, the file is downloaded twice.", dropSure: "Give it up? It is not followed any more.",
    pause: "Pause", unpause: "Resume", first: "To the front", remove: "Remove", paused: "paused", retry: "Add again", forget: "Remove from the list", clear: "Remove all ended ones from the list",
    forceRemove: "Follow no longer", forceSure: "Follow it no longer? 123pan cannot cancel it: the file may still arrive.", settled: "Settled.", none: "Nothing here yet.", percent: (p) => `${p} %`, more: (n) => `and ${n} more`,
  },
  zh: {
    skip: "跳到下载列表", other: "English", unlock: "密钥", unlockHint: "服务启动时打印了密钥的保存位置。",
    secret: "服务的密钥", open: "打开", wrong: "密钥不正确。", totals: "合计",
    add: "添加下载", urls: "链接，每行一个", folder: "网盘目录", name: "文件名",
    folderHint: "留空则保存到默认目录。目录不存在时会自动创建。", nameHint: "文件名只对单个链接有效。", addButton: "添加",
    added: (n) => `已添加 ${n} 项。`, notAdded: (n) => `有 ${n} 个链接被拒绝：`,
    connected: "实时", connecting: "正在连接…", lost: "连接已断开，正在重试…",
    unconfirmed: "未确认", active: "下载中", waiting: "排队中", failed: "失败", complete: "完成", removed: "已移除",
    unconfirmedHint: "请求可能已经到达，但无从证实。请查看网盘；除非你要求，绝不会再次提交。",
    is: "已经创建", isTask: "任务", isFile: "文件", idOf: "ID", confirm: "确认", find: "查找文件", again: "再次提交", drop: "放弃",
    againSure: "再次提交？如果第一次请求其实已经到达，文件会下载两次。", dropSure: "放弃这一项？此后不再跟踪。",
    pause: "暂停", unpause: "继续", first: "移到最前", remove: "移除", paused: "已暂停", retry: "重新添加", forget: "从列表移除", clear: "从列表移除所有已结束的项",
    forceRemove: "不再跟踪", forceSure: "不再跟踪？123 云盘无法取消任务：文件仍可能到达。", settled: "已裁决。", none: "这里还没有内容。", percent: (p) => `${p}%`, more: (n) => `另有 ${n} 项`,
  },
};
/** How many downloads a list shows at most. */
const SHOWN = 200;

const $ = (id) => document.getElementById(id);
let language = localStorage.language || (navigator.language.startsWith("zh") ? "zh" : "en");
let text = TEXTS[language] || TEXTS.en;

// The secret is typed, or comes after `#`, which no server sees. It is kept for this tab only.
if (location.hash.length > 1) {
  sessionStorage.secret = decodeURIComponent(location.hash.slice(1).replace(/^secret=/, ""));
  history.replaceState(null, "", location.pathname);
}

// The connection.

let socket;
let lastId = 0;
let isOpen = false;
const calls = new Map();

function connect() {
  tell("connecting");
  socket = new WebSocket(new URL("jsonrpc", location.href.replace(/^http/, "ws")));
  socket.onopen = () => refresh(true);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    for (const answer of [message].flat()) {
      if (answer.method) soon();
      else settle(answer);
    }
  };
  socket.onclose = () => {
    isOpen = false;
    for (const { reject } of calls.values()) reject(new Error(text.lost));
    calls.clear();
    tell("lost");
    setTimeout(connect, 2000);
  };
}

function settle({ id, result, error }) {
  const call = calls.get(id);
  if (!call) return;
  calls.delete(id);
  if (error) call.reject(Object.assign(new Error(error.message), { code: error.code }));
  else call.resolve(result);
}

function call(method, ...params) {
  return new Promise((resolve, reject) => {
    if (!socket || socket.readyState !== WebSocket.OPEN) {
      reject(new Error(text.lost));
      return;
    }
    const id = String(++lastId);
    calls.set(id, { resolve, reject });
    const all = [`token:${sessionStorage.secret || ""}`, ...params];
    socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params: all }));
  });
}

function tell(state) {
  $("connection").textContent = text[state];
}

function say(message, isBad = false) {
  $("message").textContent = message;
  $("message").classList.toggle("bad", isBad);
}

// What is shown.

let timer;
let isRefreshing = false;

/** Refreshes once after several changes. */
function soon(delay = 150) {
  clearTimeout(timer);
  timer = setTimeout(refresh, delay);
}

async function refresh(isFirst = false) {
  if (isRefreshing) return;
  isRefreshing = true;
  try {
    const state = await look();
    if (!isOpen) unlocked();
    tell("connected");
    show(state);
  } catch (error) {
    if (error.message === "Unauthorized") locked(!isFirst || Boolean(sessionStorage.secret));
  } finally {
    isRefreshing = false;
  }
  if (isOpen && !document.hidden) soon(2000);
}

/** Asks for all that is shown. */
async function look() {
  const keys = ["gid", "status", "totalLength", "completedLength", "dir", "files", "errorMessage", "pan123State", "pan123Tasks"];
  const [counts, active, waiting, stopped, unconfirmed] = await Promise.all([
    call("pan123.getCounts"),
    call("aria2.tellActive", keys),
    call("aria2.tellWaiting", 0, SHOWN, keys),
    call("aria2.tellStopped", -1, SHOWN, keys),
    call("pan123.tellUnconfirmed", 0, SHOWN, keys),
  ]);
  const ended = (status) => stopped.filter((row) => row.status === status && row.pan123State !== "unconfirmed");
  const sum = (...states) => states.reduce((total, state) => total + Number(counts[state]), 0);
  return {
    totals: {
      unconfirmed: sum("unconfirmed"), active: sum("running"), waiting: sum("queued", "paused", "claimed", "intended"),
      failed: sum("failed"), complete: sum("succeeded"), removed: sum("dropped"),
    },
    lists: {
      unconfirmed, active: active.slice(0, SHOWN), waiting, failed: ended("error"), complete: ended("complete"), removed: ended("removed"),
    },
  };
}

const urlOf = (row) => row.files[0].uris[0].uri;
const pathOf = (row) => row.files[0].path;
const nameOf = (row) => pathOf(row).slice(pathOf(row).lastIndexOf("/") + 1) || urlOf(row);

function locked(isWrong) {
  isOpen = false;
  delete sessionStorage.secret;
  $("main").hidden = true;
  $("unlock").hidden = false;
  $("unlock-hint").textContent = isWrong ? text.wrong : text.unlockHint;
  $("secret").focus();
}

function unlocked() {
  isOpen = true;
  $("unlock").hidden = true;
  $("main").hidden = false;
  folders("/");
}

/** The lists, in this order, and what can be done with their items. */
const LISTS = [
  ["unconfirmed", unconfirmedItem],
  ["active", activeItem],
  ["waiting", waitingItem],
  ["failed", stoppedItem],
  ["complete", stoppedItem],
  ["removed", stoppedItem],
];
let shown = "";
let last;

function show(state) {
  last = state;
  const totals = LISTS.map(([list]) => {
    const item = document.createElement("li");
    item.append(`${text[list]} `, element("b", String(state.totals[list])));
    return item;
  });
  $("totals").replaceChildren(...totals);
  // A list that did not change stays as it is: so does the focus in it.
  const now = JSON.stringify([language, state.lists, state.totals]);
  if (now === shown) return;
  shown = now;
  const focus = document.activeElement && document.activeElement.dataset.focus;
  const typed = new Map([...document.querySelectorAll("#lists input, #lists select")].map((input) => [input.dataset.focus, input.value]));
  const sections = LISTS.filter(([list]) => state.lists[list].length > 0).map(([list, render]) => section(list, state, render));
  $("lists").replaceChildren(...(sections.length > 0 ? sections : [element("p", text.none, "hint")]));
  for (const input of document.querySelectorAll("#lists input, #lists select")) {
    const value = typed.get(input.dataset.focus);
    if (value !== undefined) input.value = value;
  }
  if (focus) {
    const again = document.querySelector(`[data-focus="${CSS.escape(focus)}"]`);
    if (again) again.focus();
  }
}

function section(list, state, render) {
  const part = element("section", undefined, list);
  const title = element("h2", `${text[list]} (${state.totals[list]})`);
  title.id = `title-${list}`;
  part.setAttribute("aria-labelledby", title.id);
  part.append(title);
  if (list === "unconfirmed") part.append(element("p", text.unconfirmedHint, "hint"));
  if (list === "complete") part.append(actions(button("clear", "all", () => call("aria2.purgeDownloadResult"))));
  const items = document.createElement("ul");
  for (const row of state.lists[list]) {
    const item = document.createElement("li");
    item.append(element("h3", nameOf(row)), ...render(row));
    items.append(item);
  }
  part.append(items);
  const rest = state.totals[list] - state.lists[list].length;
  if (rest > 0) part.append(element("p", text.more(rest), "hint"));
  return part;
}

function details(row) {
  const why = row.errorMessage ? [element("p", row.errorMessage, "detail")] : [];
  return [...why, element("p", row.dir, "detail"), element("p", urlOf(row), "detail")];
}

function unconfirmedItem(row) {
  const kind = document.createElement("select");
  for (const [value, name] of [["was", text.isTask], ["found", text.isFile]]) {
    const option = element("option", name);
    option.value = value;
    kind.append(option);
  }
  kind.dataset.focus = `kind ${row.gid}`;
  const id = document.createElement("input");
  id.inputMode = "numeric";
  id.pattern = "[0-9]+";
  id.required = true;
  id.value = row.pan123Tasks[0] || "";
  id.dataset.focus = `id ${row.gid}`;
  const form = document.createElement("form");
  form.className = "actions";
  const submit = element("button", text.confirm);
  submit.dataset.focus = `confirm ${row.gid}`;
  form.append(labelled(text.is, kind), labelled(text.idOf, id), submit);
  form.onsubmit = (event) => {
    event.preventDefault();
    decide(row, kind.value, id.value);
  };
  return [
    ...details(row),
    form,
    actions(
      button("find", row.gid, () => decide(row, "find")),
      button("again", row.gid, () => confirm(text.againSure) && decide(row, "again")),
      button("drop", row.gid, () => confirm(text.dropSure) && decide(row, "drop")),
    ),
  ];
}

async function decide(row, ...verdict) {
  await call("pan123.settle", row.gid, ...verdict);
  say(text.settled);
}

function activeItem(row) {
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.setAttribute("aria-label", nameOf(row));
  bar.value = Math.floor(row.completedLength / row.totalLength * 100);
  const percent = element("p", text.percent(bar.value), "detail");
  const leave = button("forceRemove", row.gid, () => confirm(text.forceSure) && call("aria2.forceRemove", row.gid));
  return [bar, percent, ...details(row), actions(leave)];
}

function waitingItem(row) {
  const isPaused = row.status === "paused";
  const pause = isPaused ? button("unpause", row.gid, () => call("aria2.unpause", row.gid)) : button("pause", row.gid, () => call("aria2.pause", row.gid));
  const first = button("first", row.gid, () => call("aria2.changePosition", row.gid, 0, "POS_SET"));
  const remove = button("remove", row.gid, () => call("aria2.remove", row.gid));
  const state = isPaused ? [element("p", text.paused, "detail")] : [];
  return [...state, ...details(row), actions(pause, first, remove)];
}

function stoppedItem(row) {
  const again = button("retry", row.gid, async () => {
    await call("aria2.addUri", [urlOf(row)], await call("aria2.getOption", row.gid));
    await call("aria2.removeDownloadResult", row.gid);
  });
  const forget = button("forget", row.gid, () => call("aria2.removeDownloadResult", row.gid));
  return [...details(row), actions(...(row.status === "error" ? [again, forget] : [forget]))];
}

// Small parts.

function element(kind, content, className) {
  const made = document.createElement(kind);
  if (content !== undefined) made.textContent = content;
  if (className) made.className = className;
  return made;
}

function labelled(name, input) {
  const label = document.createElement("label");
  label.append(element("span", name), input);
  return label;
}

function actions(...buttons) {
  const row = element("div", undefined, "actions");
  row.append(...buttons);
  return row;
}

function button(name, gid, act) {
  const made = element("button", text[name]);
  made.type = "button";
  made.dataset.focus = `${name} ${gid}`;
  made.onclick = async () => {
    try {
      await act();
    } catch (error) {
      say(error.message, true);
    }
    soon(0);
  };
  return made;
}

// The forms.

$("unlock").onsubmit = (event) => {
  event.preventDefault();
  sessionStorage.secret = $("secret").value;
  $("secret").value = "";
  refresh();
};

$("add").onsubmit = async (event) => {
  event.preventDefault();
  const urls = $("urls").value.split(/\r?\n/).map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
  const options = {};
  if ($("folder").value.trim()) options.dir = $("folder").value.trim();
  if ($("name").value.trim() && urls.length === 1) options.out = $("name").value.trim();
  const refused = [];
  for (const url of urls) {
    try {
      await call("aria2.addUri", [url], options);
    } catch (error) {
      refused.push([url, error.message]);
    }
  }
  const added = urls.length - refused.length;
  const lines = refused.map(([url, reason]) => `${url}: ${reason}`);
  const told = added > 0 ? [text.added(added)] : [];
  say([...told, ...(refused.length > 0 ? [text.notAdded(refused.length), ...lines] : [])].join("\n"), refused.length > 0);
  $("urls").value = refused.map(([url]) => url).join("\n");
  if (refused.length === 0) $("name").value = "";
  soon(0);
};

/** Offers the folders in this one. */
async function folders(path) {
  try {
    const names = await call("pan123.listFolders", path);
    const parent = path.endsWith("/") ? path : `${path}/`;
    $("folders").replaceChildren(...names.map((name) => {
      const option = document.createElement("option");
      option.value = `${parent}${name}`;
      return option;
    }));
  } catch {
    $("folders").replaceChildren();
  }
}

let folderTimer;
$("folder").oninput = () => {
  clearTimeout(folderTimer);
  const path = $("folder").value.trim();
  const parent = path.slice(0, path.lastIndexOf("/") + 1) || "/";
  folderTimer = setTimeout(() => folders(parent), 400);
};

$("language").onclick = () => {
  language = language === "zh" ? "en" : "zh";
  localStorage.language = language;
  text = TEXTS[language];
  translate();
  if (last) show(last);
};

document.onvisibilitychange = () => {
  if (!document.hidden) soon(0);
};

function translate() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const part of document.querySelectorAll("[data-text]")) part.textContent = text[part.dataset.text];
  $("totals").setAttribute("aria-label", text.totals);
  $("language").textContent = text.other;
  tell(isOpen ? "connected" : "connecting");
}

translate();
connect();
