//! JavaScript to a component: npm's packages in the project, then `componentize-js` on the file that `package.json` names as `main`.

use super::tool::Tool;
use super::{Project, wit};
use crate::file;
use anyhow::{Context as _, bail};
use std::path::{Path, PathBuf};

const NODE: &str = "install Node.js 20 or newer, for example `apt-get install nodejs npm`";
const NODE_MIN: u32 = 20;
const COMPONENTIZE: &str =
    "add `@bytecodealliance/componentize-js` to devDependencies in package.json";

/// What node_modules was made of; it lies in there, so that it goes when that goes.
const STAMP: &str = "node_modules/.holdfast-installed";

/// Builds the project, and says where the component is.
///
/// # Errors
/// Node or a package is missing, or the source does not run to its end at build time.
pub fn build(project: &Project) -> anyhow::Result<PathBuf> {
    let folder = &project.folder;
    let node = Tool::new("node", folder, NODE).args(["--version"]).ask()?;
    let major = node.trim_start_matches('v').split('.').next();
    if major
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major < NODE_MIN)
    {
        bail!("Node.js {node} is too old: {NODE}");
    }
    install(folder, &node)?;
    let output = project.output()?;
    let wit = wit::write(folder, wit::Release::Ten)?;
    let componentize = folder.join("node_modules/.bin/componentize-js");
    Tool::new(componentize, folder, COMPONENTIZE)
        .args([&main(folder)?])
        .args([Path::new("--wit"), &wit, Path::new("--out"), &output])
        .args(["--world-name", wit::WORLD])
        .run("[2/3] making a component of it, with the JavaScript engine inside; this takes 10 to 30 seconds")?;
    Ok(output)
}

/// The packages, unless they are what `package.json` and the lock say already.
fn install(folder: &Path, node: &str) -> anyhow::Result<()> {
    let wanted = wanted(folder)?;
    let stamp = folder.join(STAMP);
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let locked = folder.join("package-lock.json").exists();
    let npm = Tool::new("npm", folder, NODE).args(["--version"]).ask()?;
    Tool::new("npm", folder, NODE)
        .args([if locked { "ci" } else { "install" }])
        .args(["--ignore-scripts", "--no-audit", "--no-fund"])
        .run(&format!(
            "[1/3] installing the packages with node {node} and npm {npm}"
        ))?;
    // Read again: an installation without a lock has made one.
    let wanted = self::wanted(folder)?;
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn wanted(folder: &Path) -> anyhow::Result<String> {
    let read = |name: &str| {
        let path = folder.join(name);
        file::settings(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let mut text = read("package.json")?;
    if folder.join("package-lock.json").exists() {
        text.push_str(&read("package-lock.json")?);
    }
    Ok(text)
}

fn main(folder: &Path) -> anyhow::Result<String> {
    let package: serde_json::Value =
        serde_json::from_str(&file::settings(&folder.join("package.json"))?)?;
    let main = package.get("main").and_then(|main| main.as_str());
    let main = main.unwrap_or("index.js").to_owned();
    if !folder.join(&main).is_file() {
        bail!(
            "package.json has main = \"{main}\", but there is no such file: `main` names the source of the service"
        );
    }
    Ok(main)
}
