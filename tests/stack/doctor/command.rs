//! What the program prints, and how it ends.

use crate::command::Scene;

#[test]
fn it_ends_with_1_where_there_is_an_error_and_prints_what_mends_it() {
    let scene = Scene::new();
    let (out, _) = scene.run(&["doctor", "spec.yaml"], 1);
    assert!(out.contains("✗ load balancer") && out.contains("fix: `elbws apply SPEC`"), "{out}");
    scene.run(&["apply", "spec.yaml", "--yes"], 0);
    let (out, _) = scene.run(&["doctor", "spec.yaml"], 0);
    assert!(out.contains("0 errors"), "{out}");
    let long: Vec<&str> =
        out.lines().filter(|line| line.chars().count() > 100 && !line.contains('`')).collect();
    assert!(long.is_empty(), "{long:#?}");
    let (out, _) = scene.run(&["doctor", "spec.yaml", "--output", "json"], 0);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&value["format"], &value["sound"], &value["errors"]), (&1.into(), &true.into(), &0.into()));
    let checks = value["checks"].as_array().unwrap();
    assert!(checks.len() > 20, "{out}");
    for check in checks {
        let word = match check["outcome"].as_str().unwrap() {
            "right" => "found",
            "unchecked" => "reason",
            "wrong" => "fix",
            other => panic!("{other}"),
        };
        assert!(check[word].is_string() && check["check"].is_string(), "{check}");
    }
}
