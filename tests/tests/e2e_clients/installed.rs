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
    Asyncio,
    NodeHttp,
    NodeFetch,
    NodeHttp2,
    Java,
    JavaNio,
    JavaThreads,
    Go,
    Goroutines,
    Tokio,
    C,
}

impl Client {
    pub(crate) const ALL: [Self; 15] = [
        Self::Curl,
        Self::Urllib,
        Self::Requests,
        Self::Aiohttp,
        Self::Asyncio,
        Self::NodeHttp,
        Self::NodeFetch,
        Self::NodeHttp2,
        Self::Java,
        Self::JavaNio,
        Self::JavaThreads,
        Self::Go,
        Self::Goroutines,
        Self::Tokio,
        Self::C,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Urllib => "python_urllib",
            Self::Requests => "python_requests",
            Self::Aiohttp => "python_aiohttp",
            Self::Asyncio => "python_asyncio",
            Self::NodeHttp => "node_http",
            Self::NodeFetch => "node_fetch",
            Self::NodeHttp2 => "node_http2",
            Self::Java => "java_http_client",
            Self::JavaNio => "java_nio",
            Self::JavaThreads => "java_threads",
            Self::Go => "go_net_http",
            Self::Goroutines => "go_goroutines",
            Self::Tokio => "rust_tokio",
            Self::C => "static_c",
        }
    }

    /// What it says of a destination that refuses, whatever else it says.
    pub(crate) const fn words_for_a_refusal(self) -> &'static str {
        match self {
            // Its exit code: `curl: (7) Failed to connect`.
            Self::Curl => "7",
            Self::Urllib | Self::Requests => "Connection refused",
            Self::Aiohttp | Self::Asyncio => "111",
            Self::NodeHttp | Self::NodeFetch | Self::NodeHttp2 => "ECONNREFUSED",
            Self::Java | Self::JavaNio | Self::JavaThreads => "java.net.ConnectException",
            Self::Go | Self::Goroutines => "connect: connection refused",
            Self::Tokio => "ConnectionRefused",
            Self::C => "Connection refused",
        }
    }

    /// Makes it ready to run; nothing where what it needs is not installed.
    pub(crate) fn install(self, folder: &Path) -> Option<Installed> {
        match self {
            Self::Curl => Installed::new(self, folder, tools::client("curl")?, &[], &[]),
            Self::Urllib => self.python("urllib_get.py", folder),
            Self::Requests => self.python("requests_get.py", folder),
            Self::Aiohttp => self.python("aiohttp_get.py", folder),
            Self::Asyncio => self.python("asyncio_get.py", folder),
            Self::NodeHttp => self.node("http_get.mjs", folder),
            Self::NodeFetch => self.node("fetch_get.mjs", folder),
            Self::NodeHttp2 => self.node("http2_get.mjs", folder),
            Self::Java => self.java("Get", folder),
            Self::JavaNio => self.java("Nio", folder),
            Self::JavaThreads => self.java("Threads", folder),
            Self::Go => self.go("get.go", folder),
            Self::Goroutines => self.go("many.go", folder),
            Self::Tokio => Installed::new(self, folder, env!("CARGO_BIN_EXE_tokio_get").into(), &[], &[]),
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

    fn java(self, class: &str, folder: &Path) -> Option<Installed> {
        let source = source(&format!("{class}.java"));
        succeed(Command::new(tools::client("javac")?).arg("-d").arg(folder).arg(source));
        let java = tools::client("java")?;
        let libraries = libraries_in(&java.parent()?.parent()?.join("lib"));
        // The quick compiler alone: the tests run many of these at once.
        let options = ["-XX:TieredStopAtLevel=1".into(), "-cp".into(), folder.into(), class.into()];
        Installed::new(self, folder, java, &options, &libraries)
    }

    fn go(self, program: &str, folder: &Path) -> Option<Installed> {
        let source = source(program);
        let program = folder.join(self.name());
        succeed(
            Command::new(tools::client("go")?)
                .arg("build")
                .arg("-o")
                .arg(&program)
                .arg(source)
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
            let options = [
                "-s",
                "-o",
                "/dev/null",
                "--noproxy",
                "*",
                "-w",
                "%{http_code} %{time_total} %{exitcode}",
                "-m",
            ];
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
