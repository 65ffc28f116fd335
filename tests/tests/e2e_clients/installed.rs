//! The clients: where their programs are, how they are built, and what they may load.

use procgate_tests::process::succeed;
use procgate_tests::program::{Program, libraries_in, python_extensions};
use procgate_tests::tools;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program with an HTTP client in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    Curl,
    Urllib,
    Requests,
    Aiohttp,
    NodeHttp,
    NodeFetch,
    NodeHttp2,
    Java,
    Go,
    C,
}

impl Client {
    pub(crate) const ALL: [Self; 10] = [
        Self::Curl,
        Self::Urllib,
        Self::Requests,
        Self::Aiohttp,
        Self::NodeHttp,
        Self::NodeFetch,
        Self::NodeHttp2,
        Self::Java,
        Self::Go,
        Self::C,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Urllib => "python_urllib",
            Self::Requests => "python_requests",
            Self::Aiohttp => "python_aiohttp",
            Self::NodeHttp => "node_http",
            Self::NodeFetch => "node_fetch",
            Self::NodeHttp2 => "node_http2",
            Self::Java => "java_http_client",
            Self::Go => "go_net_http",
            Self::C => "static_c",
        }
    }

    /// Makes it ready to run; nothing where what it needs is not installed.
    pub(crate) fn install(self, folder: &Path) -> Option<Installed> {
        match self {
            Self::Curl => Installed::new(self, folder, tools::client("curl")?, &[], &[]),
            Self::Urllib => self.python("urllib_get.py", folder),
            Self::Requests => self.python("requests_get.py", folder),
            Self::Aiohttp => self.python("aiohttp_get.py", folder),
            Self::NodeHttp => self.node("http_get.mjs", folder),
            Self::NodeFetch => self.node("fetch_get.mjs", folder),
            Self::NodeHttp2 => self.node("http2_get.mjs", folder),
            Self::Java => self.java(folder),
            Self::Go => self.go(folder),
            Self::C => self.c(folder),
        }
    }

    fn python(self, script: &str, folder: &Path) -> Option<Installed> {
        let python = tools::client("python")?;
        let libraries = python_extensions(&python);
        Installed::new(self, folder, python, &[source(script)], &libraries)
    }

    fn node(self, script: &str, folder: &Path) -> Option<Installed> {
        Installed::new(self, folder, tools::client("node")?, &[source(script)], &[])
    }

    fn java(self, folder: &Path) -> Option<Installed> {
        succeed(Command::new(tools::client("javac")?).arg("-d").arg(folder).arg(source("Get.java")));
        let java = tools::client("java")?;
        let libraries = libraries_in(&java.parent()?.parent()?.join("lib"));
        // The quick compiler alone: the tests run many of these at once.
        let options = ["-XX:TieredStopAtLevel=1".into(), "-cp".into(), folder.into(), "Get".into()];
        Installed::new(self, folder, java, &options, &libraries)
    }

    fn go(self, folder: &Path) -> Option<Installed> {
        let program = folder.join("get-go");
        succeed(
            Command::new(tools::client("go")?)
                .arg("build")
                .arg("-o")
                .arg(&program)
                .arg(source("get.go"))
                .current_dir(folder),
        );
        Installed::new(self, folder, program, &[], &[])
    }

    fn c(self, folder: &Path) -> Option<Installed> {
        let program = folder.join("get-c");
        succeed(
            Command::new(tools::client("cc")?)
                .args(["-O1", "-static", "-o"])
                .arg(&program)
                .arg(source("get.c")),
        );
        Installed::new(self, folder, program, &[], &[])
    }
}

/// A client that can be run.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) client: Client,
    pub(crate) program: Program,
    command: PathBuf,
    arguments: Vec<PathBuf>,
}

impl Installed {
    fn new(
        client: Client,
        folder: &Path,
        command: PathBuf,
        arguments: &[PathBuf],
        libraries: &[PathBuf],
    ) -> Option<Self> {
        let program = Program::at(&command, folder, client.name(), libraries);
        Some(Self { client, program, command, arguments: arguments.to_vec() })
    }

    /// The program and its arguments for a request whose own timeout is this.
    pub(crate) fn command_line(&self, url: &str, seconds: u32) -> Vec<OsString> {
        let mut line = vec![self.command.clone().into_os_string()];
        line.extend(self.arguments.iter().map(|argument| argument.clone().into()));
        if self.client == Client::Curl {
            let options =
                ["-s", "-o", "/dev/null", "--noproxy", "*", "-w", "%{http_code} %{time_total}", "-m"];
            line.extend(options.map(Into::into));
            line.extend([seconds.to_string().into(), url.into()]);
        } else {
            line.extend([url.into(), seconds.to_string().into()]);
        }
        line
    }
}

fn source(name: &str) -> PathBuf {
    tools::project().join("tests/clients").join(name)
}
