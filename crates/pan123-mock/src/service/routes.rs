//! Routes of a user's own: endpoints that the mock does not model, with a state that requests change.

use std::collections::BTreeMap;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::response::ApiResponse;

/// An endpoint that the mock does not model.
///
/// It responds with `data` in the service's envelope to requests with a valid token. With [`when`](Self::when) and
/// [`then`](Self::then), what it responds depends on the requests before: all routes of one [`scenario`](Self::scenario) share a state,
/// which is the empty text at first. The route that was added last and fits a request responds to it.
///
/// ```
/// use pan123_mock::{MockPan123, Route};
/// use serde_json::json;
///
/// let mock = MockPan123::start_blocking();
/// let share = "/api/v1/share/create";
/// mock.route(Route::post(share, json!({"shareID": 7})).then("shared"));
/// mock.route(Route::get("/api/v1/share/list", json!({"shareList": []})));
/// mock.route(Route::get("/api/v1/share/list", json!({"shareList": [{"shareId": 7}]})).when("shared"));
/// ```
///
/// As JSON, for the program `pan123-mock`: `{"method": "GET", "path": "/api/v1/share/list", "data": {"shareList": []}, "when": "shared",
/// "then": "listed"}`; with `"code"` and `"message"` instead of `"data"` the route rejects, and `"token": false` needs no token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RouteJson", into = "RouteJson")]
pub struct Route {
    method: Method,
    path: String,
    response: RouteResponse,
    needs_token: bool,
    scenario: String,
    when: Option<String>,
    then: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
enum RouteResponse {
    Data(Value),
    Rejection { code: i64, message: String },
}

impl Route {
    /// Creates a route that responds with this `data`.
    pub fn new(method: Method, path: impl Into<String>, data: impl Into<Value>) -> Self {
        Self {
            method,
            path: path.into(),
            response: RouteResponse::Data(data.into()),
            needs_token: true,
            scenario: String::new(),
            when: None,
            then: None,
        }
    }

    /// Creates a route for `GET`.
    pub fn get(path: impl Into<String>, data: impl Into<Value>) -> Self {
        Self::new(Method::GET, path, data)
    }

    /// Creates a route for `POST`.
    pub fn post(path: impl Into<String>, data: impl Into<Value>) -> Self {
        Self::new(Method::POST, path, data)
    }

    /// Responds with this code and message instead; `data` is null.
    pub fn rejects(mut self, code: i64, message: impl Into<String>) -> Self {
        let message = message.into();
        self.response = RouteResponse::Rejection { code, message };
        self
    }

    /// Responds only while the scenario is in this state.
    pub fn when(mut self, state: impl Into<String>) -> Self {
        self.when = Some(state.into());
        self
    }

    /// Puts the scenario into this state when it responds.
    pub fn then(mut self, state: impl Into<String>) -> Self {
        self.then = Some(state.into());
        self
    }

    /// Gives the route a state apart from that of routes with another scenario.
    pub fn scenario(mut self, name: impl Into<String>) -> Self {
        self.scenario = name.into();
        self
    }

    /// Responds to requests without a token, too.
    pub fn without_token(mut self) -> Self {
        self.needs_token = false;
        self
    }

    pub(super) fn needs_token(&self) -> bool {
        self.needs_token
    }

    pub(super) fn response(&self) -> ApiResponse {
        match &self.response {
            RouteResponse::Data(data) => ApiResponse::ok(data),
            RouteResponse::Rejection { code, message } => ApiResponse::error(*code, message),
        }
    }
}

/// The routes and the states of their scenarios.
#[derive(Debug, Default)]
pub(super) struct Routes {
    all: Vec<Route>,
    states: BTreeMap<String, String>,
}

impl Routes {
    pub(super) fn add(&mut self, route: Route) {
        self.all.push(route);
    }

    pub(super) fn all(&self) -> &[Route] {
        &self.all
    }

    /// Removes the routes and forgets the states.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn find(&self, method: &Method, path: &str) -> Option<&Route> {
        let fits = |route: &&Route| {
            let in_state = |state: &String| *state == self.state(&route.scenario);
            route.method == method && route.path == path && route.when.as_ref().is_none_or(in_state)
        };
        self.all.iter().rev().find(fits)
    }

    /// Returns the state of a scenario.
    fn state(&self, scenario: &str) -> &str {
        self.states.get(scenario).map_or("", String::as_str)
    }

    /// Puts the scenario of a route that responds into its next state.
    pub(super) fn advance(&mut self, route: &Route) {
        if let Some(next) = &route.then {
            self.states.insert(route.scenario.clone(), next.clone());
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RouteJson {
    method: String,
    path: String,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    data: Value,
    #[serde(default, skip_serializing_if = "is_zero")]
    code: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default = "yes")]
    token: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scenario: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    when: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    then: Option<String>,
}

fn yes() -> bool {
    true
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(code: &i64) -> bool {
    *code == 0
}

impl TryFrom<RouteJson> for Route {
    type Error = String;

    fn try_from(json: RouteJson) -> Result<Self, String> {
        let method = Method::from_bytes(json.method.as_bytes());
        let method = method.map_err(|_| format!("`method` is `{}`, which is none", json.method))?;
        if !json.path.starts_with('/') {
            return Err(format!("`path` is `{}`: it must begin with `/`", json.path));
        }
        if json.path.contains(['?', '#']) {
            return Err(format!("`path` is `{}`: it must have no query", json.path));
        }
        let response = match (json.code, json.data) {
            (0, data) => RouteResponse::Data(data),
            (code, Value::Null) => RouteResponse::Rejection {
                code,
                message: json.message,
            },
            _ => return Err("`data` and a `code` other than 0 are mutually exclusive".to_owned()),
        };
        Ok(Self {
            method,
            path: json.path,
            response,
            needs_token: json.token,
            scenario: json.scenario,
            when: json.when,
            then: json.then,
        })
    }
}

impl From<Route> for RouteJson {
    fn from(route: Route) -> Self {
        let (code, message, data) = match route.response {
            RouteResponse::Data(data) => (0, String::new(), data),
            RouteResponse::Rejection { code, message } => (code, message, Value::Null),
        };
        Self {
            method: route.method.to_string(),
            path: route.path,
            data,
            code,
            message,
            token: route.needs_token,
            scenario: route.scenario,
            when: route.when,
            then: route.then,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn routes_survive_a_round_trip() {
        for route in [
            Route::get("/a", json!({"n": 1})),
            Route::post("/a", Value::Null)
                .rejects(7, "七")
                .without_token(),
            Route::new(Method::PUT, "/b", json!([1]))
                .scenario("s")
                .when("")
                .then("on"),
        ] {
            let json = serde_json::to_string(&route).unwrap();
            assert_eq!(
                serde_json::from_str::<Route>(&json).unwrap(),
                route,
                "{json}"
            );
        }
    }

    #[test]
    fn invalid_routes_are_rejected_with_a_reason() {
        for (json, expected) in [
            (json!({"method": "GE T", "path": "/a"}), "`GE T`"),
            (json!({"method": "GET", "path": "a"}), "begin with `/`"),
            (json!({"method": "GET", "path": "/a?b"}), "no query"),
            (
                json!({"method": "GET", "path": "/a", "code": 1, "data": 1}),
                "mutually exclusive",
            ),
            (
                json!({"method": "GET", "path": "/a", "dta": 1}),
                "unknown field `dta`",
            ),
            (json!({"path": "/a"}), "missing field `method`"),
        ] {
            let error = serde_json::from_value::<Route>(json.clone())
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
