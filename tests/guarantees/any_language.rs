//! Three lines to a service, in any language: `holdfast new`, `holdfast build`, `curl`.
//!
//! 1. The naive snippet: `holdfast new hello --lang python && holdfast build hello`.
//! 2. The missing rule: when it counts. A tool that is not there, a source that does not compile, a host that serves the old version.
//! 3. The tax: a toolchain to find for each language, and a deployment that swaps two files at once.
//! 4. The snippet again, unchanged.
//! 5. The pipeline: pinned templates, tools run without a shell in the project's own folder, and a pair that replaces the old one whole.
//! 6. The checklist is below.

use super::loading::under_traffic;
use crate::harness::{Guest, Host, Project, Setup, patiently, root, run};

/// Makes a project, builds it, asks it; then builds it again without a network.
fn new_build_curl(lang: &str) {
    let host = Setup::new().start();
    let project = Project::on(&host, "greet", lang);
    project.build().done();
    says(&host, "greet", "Hello from greet, at /here\n");
    project.build_offline(lang).done();
}

/// Waits until the service answers `text`.
fn says(host: &Host, name: &str, text: &str) {
    patiently(&format!("{name} to say {text:?}"), || {
        (host.get(&format!("/{name}/here")).text() == text).then_some(())
    });
}

#[test]
fn rust_from_nothing_to_an_answer() {
    new_build_curl("rust");
}

#[test]
fn javascript_from_nothing_to_an_answer() {
    new_build_curl("js");
}

#[test]
fn python_from_nothing_to_an_answer() {
    new_build_curl("python");
}

#[test]
fn a_typed_project_is_called_by_its_functions_and_keeps_what_others_call() {
    let host = Setup::new().start();
    let project = Project::on(&host, "greet", "rust --kind typed");
    let said = project.build();
    said.done();
    let exports = "exports local:greet/greetings@0.1.0: greet: func(name: string)";
    assert!(said.err.contains(exports), "{}", said.err);
    let greets = |words: &str| {
        let answer = host.ask("POST", "/greet/greetings/greet");
        let answer = answer.header("content-type", "application/json");
        let answer = answer.body("{\"name\":\"you\"}").send().text();
        answer.contains(words).then_some(())
    };
    patiently("it to greet", || greets("\"text\":\"Hello, you\""));
    // What stands above a function in its WIT is told to whoever asks.
    let document = host.get("/greet/openapi.json").text();
    assert!(document.contains("\"Greets somebody.\""), "{document}");
    let said = host.command(&["call", "greet", "greetings/greet", "{\"name\":\" \"}"]);
    assert_eq!(said.code, Some(1));
    assert!(
        said.out.contains("greet/no-name"),
        "{}{}",
        said.out,
        said.err
    );

    let before = project.published();
    project.edit("wit/greet.wit", "text: string", "words: string");
    project.edit("src/lib.rs", "text: format!", "words: format!");
    let said = project.build();
    assert_eq!(said.code, Some(1));
    let changed = "contract: changed in `local:greet/greetings@0.1.0`: `greet: func";
    assert!(
        said.err.contains(changed) && said.err.contains("--breaking"),
        "{}",
        said.err
    );
    assert_eq!(project.published(), before);
    project.build_breaking().done();
    patiently("the other one", || greets("\"words\":\"Hello, you\""));
    assert!(host.stderr().contains(changed), "{}", host.stderr());
}

#[test]
fn what_can_be_no_typed_project_is_refused_by_what_to_change() {
    for (name, lang, why) in [
        ("typed-js", "js", "--lang rust --kind typed"),
        ("a-1b", "rust", "each of its words must begin with a letter"),
    ] {
        let said = run(&["new", name, "--lang", lang, "--kind", "typed"]);
        assert_eq!(said.code, Some(1));
        assert!(said.err.contains(why), "{}", said.err);
    }
}

#[test]
fn large_runtimes_are_served_within_the_default_limits_and_start_once_where_that_is_asked_for() {
    let host = Setup::new().start();
    let put = |name: &str, manifest: &str| {
        let guest = match name {
            "js" => Guest::Service("hello-js"),
            _ => Guest::Service("hello-python"),
        };
        host.drop_in(name, guest, manifest);
    };
    put("js", "");
    put("python", "");
    let asked = |name: &str, times: u32| {
        for _ in 0..times {
            let answer = host.get(&format!("/{name}/here"));
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert!(answer.text().ends_with(", at /here\n"));
        }
    };
    says(&host, "js", "Hello from JavaScript, at /here\n");
    says(&host, "python", "Hello from Python, at /here\n");
    for name in ["js", "python"] {
        asked(name, 3);
        assert_eq!(host.metric("holdfast_idle_instances", ""), 0.0);
    }
    for name in ["js", "python"] {
        put(name, "reuse = 50");
        patiently("an instance to wait for its next call", || {
            asked(name, 1);
            (host.metric("holdfast_idle_instances", "") == 1.0).then_some(())
        });
        asked(name, 120);
        patiently("the last one to have waited for too long", || {
            (host.metric("holdfast_idle_instances", "") == 0.0).then_some(())
        });
    }
}

#[test]
fn a_fetch_listener_builds_too_and_each_call_finds_it_fresh() {
    let host = Setup::new().start();
    let project = Project::on(&host, "listener", "js");
    let source = "let calls = 0;
addEventListener(\"fetch\", (event) => event.respondWith(new Response(`call ${++calls}`)));";
    project.write("app.js", source);
    project.write("listener.toml", "purpose = \"count\"\nreuse = 50\n");
    project.build().done();
    // Its engine hears one event in its life and keeps what came with it, so it is never asked again.
    for _ in 0..4 {
        says(&host, "listener", "call 1");
    }
}

// Projects of Rust that are built at the same time have names of their own here: they share a target directory.

#[test]
fn a_second_build_replaces_the_first_without_a_failed_call() {
    let host = Setup::new().start();
    let project = Project::on(&host, "swapped", "rust");
    project.build().done();
    says(&host, "swapped", "Hello from swapped, at /here\n");
    project.edit("src/main.rs", "Hello from", "Good day from");
    let calls = under_traffic(&host, "swapped", || {
        project.build().done();
        says(&host, "swapped", "Good day from swapped, at /here\n");
    });
    assert!(calls > 0);
}

#[test]
fn a_broken_source_shows_the_tools_words_and_leaves_the_directory_as_it_was() {
    let project = Project::new("broken", "rust");
    project.build().done();
    let before = project.published();
    project.edit("src/main.rs", "fn answer", "fn anser");
    let said = project.build();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("cannot find function `answer`"),
        "{}",
        said.err
    );
    let last = said.err.lines().last().unwrap();
    assert!(last.contains("`cargo` failed"), "{last}");
    assert_eq!(before.len(), 2);
    assert_eq!(project.published(), before);
}

#[test]
fn a_missing_tool_is_one_line_that_says_what_to_do() {
    for (lang, tool) in [("rust", "cargo"), ("js", "node"), ("python", "python3")] {
        let project = Project::new("greet", lang);
        let said = project.build_with_path("/nowhere");
        assert_eq!(said.code, Some(1));
        let last = said.err.lines().last().unwrap();
        assert!(
            last.contains(&format!("`{tool}` is missing: install")),
            "{last}"
        );
        assert_eq!(said.err.lines().count(), 2, "{}", said.err);
        assert!(project.published().is_empty());
    }
}

#[test]
fn a_name_that_no_service_may_have_is_refused() {
    for name in ["Greet", "a_b", "-a", "internal", "../up"] {
        let said = run(&["new", "--lang", "rust", "--", name]);
        assert_eq!(said.code, Some(1), "{name}");
        assert!(said.err.contains("is not a name"), "{}", said.err);
    }
    let said = run(&["new", "--lang", "rust", "2fast"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("a letter first"), "{}", said.err);
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let project = Project::new("greet", "python");
    let said = project.new_again("js");
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("greet is not empty"), "{}", said.err);
    assert!(!project.has("package.json"));
}

#[test]
fn what_is_no_project_or_two_is_refused_by_what_is_there() {
    let project = Project::new("greet", "rust");
    project.write("package.json", "{\"name\":\"greet\"}");
    let said = project.build();
    assert!(
        said.err.contains("both Cargo.toml and package.json"),
        "{}",
        said.err
    );
    project.remove("package.json");
    project.remove("greet.toml");
    let said = project.build();
    assert!(said.err.contains("there is no greet.toml"), "{}", said.err);
    project.remove("Cargo.toml");
    let said = project.build();
    assert!(said.err.contains("holds no project"), "{}", said.err);
    assert_eq!(said.code, Some(1));
}

#[test]
fn a_manifest_that_a_host_would_refuse_is_refused_before_anything_is_built() {
    let project = Project::new("greet", "js");
    project.write("greet.toml", "purpos = \"x\"");
    let said = project.build();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("purpos"), "{}", said.err);
    assert!(!said.err.contains("[1/"), "{}", said.err);
}

/// A service of the first run has the very tools that a new project gets.
#[test]
fn the_services_of_the_first_run_are_pinned_as_new_projects_are() {
    let pins = [
        ("hello-js", "js", "package.json"),
        ("hello-js", "js", "package-lock.json"),
        ("hello-python", "python", "requirements.txt"),
    ];
    for (service, lang, file) in pins {
        let project = Project::new(service, lang);
        let path = root().join("guests/services").join(service).join(file);
        let ours = std::fs::read_to_string(path).unwrap();
        assert_eq!(project.text(file), ours, "{service}/{file}");
    }
}
