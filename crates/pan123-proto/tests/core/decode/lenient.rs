//! What the service is known to vary, and where that ends: numbers as text, missing data, ids of any size, trace ids.

use crate::support::reading::created;
use pan123_proto::ErrorKind;

#[test]
fn no_digit_of_a_task_id_is_lost() {
    for id in [9_007_199_254_740_993, i64::MAX.unsigned_abs() + 1, u64::MAX] {
        for key in ["taskID", "taskId"] {
            for quote in ["", "\""] {
                let body = format!(r#"{{"code":0,"data":{{"{key}":{quote}{id}{quote}}}}}"#);
                assert_eq!(created(&body).unwrap().task.get(), id, "{body}");
            }
        }
    }
}

#[test]
fn a_task_id_that_is_none_makes_a_create_ambiguous() {
    for id in [
        "0",
        "-1",
        "1.5",
        "null",
        "\"\"",
        "\"abc\"",
        "true",
        "18446744073709551616",
        "9007199254740994.0",
        "{}",
    ] {
        let body = format!(r#"{{"code":0,"message":"ok","data":{{"taskID":{id}}}}}"#);
        let error = created(&body).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Ambiguous, "{id}");
    }
}
