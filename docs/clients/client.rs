//! A client of pi-server: starts it as a child, asks one question, prints the answer as it comes.
//!
//!     rustc --edition 2021 client.rs && ./client "What is in this folder?"
//!     ./client "Use a tool" pi-server --no-ws --demo
//!
//! Standard library only, hence the small JSON reader at the end; with cargo take serde_json. One JSON object is one
//! line on the child's stdin and stdout.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};

/// A server of one's own.
struct Client {
    server: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    commands: u32,
}

impl Client {
    fn start(command: &[String]) -> Result<Client, String> {
        let (program, args) = command.split_first().ok_or("no command")?;
        let mut server = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program} cannot be started: {error}"))?;
        let input = server.stdin.take();
        let output = BufReader::new(server.stdout.take().ok_or("no stdout")?);
        let mut client = Client { server, input, output, commands: 0 };
        match client.read()? {
            Some(greeting) if greeting.text("type") == "server_ready" => Ok(client),
            _ => Err("the server did not greet; see above for its reason".into()),
        }
    }

    /// The next message; None at the end.
    fn read(&mut self) -> Result<Option<Json>, String> {
        let mut line = Vec::new();
        let length = self.output.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if length == 0 {
            return Ok(None);
        }
        let text = String::from_utf8(line).map_err(|error| error.to_string())?;
        Json::parse(&text).map(Some)
    }

    /// Sends a command, whose further fields are JSON already, and returns its id.
    fn send(&mut self, kind: &str, fields: &[(&str, String)]) -> Result<String, String> {
        self.commands += 1;
        let id = self.commands.to_string();
        let more: String = fields.iter().map(|(name, json)| format!(",\"{name}\":{json}")).collect();
        let line = format!("{{\"id\":\"{id}\",\"type\":\"{kind}\"{more}}}\n");
        let input = self.input.as_mut().ok_or("the server was told to end")?;
        input.write_all(line.as_bytes()).and_then(|()| input.flush()).map_err(|error| error.to_string())?;
        Ok(id)
    }

    /// Sends a command, shows what comes, and returns the data of the answer.
    fn ask(&mut self, kind: &str, fields: &[(&str, String)]) -> Result<Json, String> {
        let id = self.send(kind, fields)?;
        while let Some(message) = self.read()? {
            if message.text("type") == "event" {
                self.show(&message)?;
            } else if message.text("type") == "response" && message.text("id") == id {
                if message.get("success") == &Json::Bool(true) {
                    return Ok(message.get("data").clone());
                }
                return Err(format!("{kind}: {} ({})", message.text("error"), message.text("code")));
            }
        }
        Err(format!("{kind}: the server has ended"))
    }

    fn show(&mut self, message: &Json) -> Result<(), String> {
        let event = message.get("event");
        let update = event.get("assistantMessageEvent");
        match event.text("type") {
            "message_update" if update.text("type") == "text_delta" => {
                print!("{}", update.text("delta"));
                std::io::stdout().flush().map_err(|error| error.to_string())
            }
            "tool_execution_start" => {
                println!("\n[{}]", event.text("toolName"));
                Ok(())
            }
            "extension_ui_request" if ["select", "confirm", "input", "editor"].contains(&event.text("method")) => {
                // An extension asks, and this program has nobody to ask.
                let fields = [
                    ("sessionId", quote(message.text("sessionId"))),
                    ("requestId", quote(event.text("requestId"))),
                    ("response", "{\"method\":\"cancelled\"}".into()),
                ];
                self.send("extension_ui_response", &fields).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    fn question(&mut self, text: &str) -> Result<(), String> {
        let session = quote(self.ask("create_session", &[])?.text("sessionId"));
        self.ask("subscribe", &[("sessionId", session.clone())])?;
        let done = self.ask(
            "prompt",
            &[("sessionId", session), ("message", quote(text)), ("waitFor", quote("settled"))],
        )?;
        let tokens = match done.get("usage").get("totalTokens") {
            Json::Number(tokens) => tokens,
            _ => return Err("no usage".into()),
        };
        println!("\n({}, {tokens} tokens)", done.text("stopReason"));
        Ok(())
    }

    /// The server finishes what it was asked for, and ends.
    fn close(&mut self) -> Result<(), String> {
        self.input = None;
        while self.read()?.is_some() {}
        let status = self.server.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}")) }
    }
}

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let question = args.next().unwrap_or_else(|| "Hello".into());
    let mut command: Vec<String> = args.collect();
    if command.is_empty() {
        command = vec!["pi-server".into(), "--no-ws".into()];
    }
    let outcome = Client::start(&command).and_then(|mut client| {
        let asked = client.question(&question);
        client.close().and(asked)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("client.rs: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// JSON, read. Numbers keep their text.
#[derive(Clone, Debug, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    fn parse(text: &str) -> Result<Json, String> {
        let mut reader = Reader { rest: text.trim() };
        let value = reader.value()?;
        if reader.rest.trim().is_empty() { Ok(value) } else { Err("something follows the JSON".into()) }
    }

    /// A field of an object; null where there is none.
    fn get(&self, name: &str) -> &Json {
        match self {
            Json::Object(fields) => fields.get(name).unwrap_or(&Json::Null),
            _ => &Json::Null,
        }
    }

    /// A field that is a text; empty where there is none.
    fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Json::Text(text) => text,
            _ => "",
        }
    }
}

/// A text as JSON.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for char in text.chars() {
        match char {
            '"' | '\\' => quoted.extend(['\\', char]),
            '\u{0}'..='\u{1f}' => quoted.push_str(&format!("\\u{:04x}", char as u32)),
            _ => quoted.push(char),
        }
    }
    quoted + "\""
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// Whether that comes next; if so it is taken.
    fn takes(&mut self, text: &str) -> bool {
        let trimmed = self.rest.trim_start();
        match trimmed.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn needs(&mut self, text: &str) -> Result<(), String> {
        if self.takes(text) { Ok(()) } else { Err(format!("expected {text}")) }
    }

    fn value(&mut self) -> Result<Json, String> {
        for (word, value) in [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))] {
            if self.takes(word) {
                return Ok(value);
            }
        }
        if self.takes("\"") {
            return self.string().map(Json::Text);
        }
        if self.takes("[") {
            return self.list();
        }
        if self.takes("{") {
            return self.object();
        }
        let text = self.rest.trim_start();
        let end = text.find(|char: char| !"+-.eE0123456789".contains(char)).unwrap_or(text.len());
        if end == 0 {
            return Err("expected a value".into());
        }
        self.rest = &text[end..];
        Ok(Json::Number(text[..end].into()))
    }

    fn list(&mut self) -> Result<Json, String> {
        let mut items = Vec::new();
        if self.takes("]") {
            return Ok(Json::List(items));
        }
        loop {
            items.push(self.value()?);
            if !self.takes(",") {
                return self.needs("]").map(|()| Json::List(items));
            }
        }
    }

    fn object(&mut self) -> Result<Json, String> {
        let mut fields = BTreeMap::new();
        if self.takes("}") {
            return Ok(Json::Object(fields));
        }
        loop {
            self.needs("\"")?;
            let name = self.string()?;
            self.needs(":")?;
            fields.insert(name, self.value()?);
            if !self.takes(",") {
                return self.needs("}").map(|()| Json::Object(fields));
            }
        }
    }

    /// The rest of a string whose opening quote has been read.
    fn string(&mut self) -> Result<String, String> {
        // UTF-16, since an escaped character beyond the basic plane comes as two halves.
        let mut units: Vec<u16> = Vec::new();
        let mut chars = self.rest.chars();
        loop {
            match chars.next().ok_or("a string without end")? {
                '"' => break,
                '\\' => units.push(match chars.next().ok_or("a string without end")? {
                    'n' => 10,
                    't' => 9,
                    'r' => 13,
                    'b' => 8,
                    'f' => 12,
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        u16::from_str_radix(&digits, 16).map_err(|error| error.to_string())?
                    }
                    other => other as u16,
                }),
                char => units.extend(char.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        self.rest = chars.as_str();
        Ok(String::from_utf16_lossy(&units))
    }
}
