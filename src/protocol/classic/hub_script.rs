//! The script that gives a page its hubs (LEG §9).

use std::fmt;

use super::errors::SCRIPT_DISABLED;
use super::jsonp::{is_identifier, is_parameter_name};
use super::script::write_in_script;
use super::write_json;

/// A hub, as the script describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubDescription<'a> {
    /// The name as declared.
    pub name: &'a str,
    /// The name was given explicitly, and its first letter stays as it is.
    pub verbatim: bool,
    /// What can be called; of several methods with one name the one with the fewest parameters
    /// counts.
    pub methods: Vec<MethodDescription<'a>>,
}

/// A method of a hub, as the script describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MethodDescription<'a> {
    /// The name as declared.
    pub name: &'a str,
    /// The name was given explicitly, and its first letter stays as it is.
    pub verbatim: bool,
    /// The names of what it takes.
    pub parameters: Vec<&'a str>,
}

/// Something that cannot be a name in the script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' cannot be the name of a {of} in the script of hubs")]
pub struct UnsafeName {
    /// The name.
    pub name: String,
    /// What has it: a hub, a method or a parameter.
    pub of: &'static str,
}

/// The script for some hubs, but for the address of its mount: written once, and for each request
/// put together with that.
///
/// ```
/// use tickhub::protocol::classic::{HubDescription, HubScript, MethodDescription};
///
/// let add = MethodDescription { name: "AddNumbers", verbatim: false, parameters: vec!["a", "b"] };
/// let chat = HubDescription { name: "ChatHub", verbatim: false, methods: vec![add] };
/// let mut out = Vec::new();
/// HubScript::new(&[chat]).expect("safe names").write(&mut out, "/signalr");
/// let text = String::from_utf8(out).expect("ASCII");
/// assert!(text.contains(r#"proxies["chatHub"].server"#) && text.contains(r#""addNumbers": function (a, b)"#));
/// ```
#[derive(Clone)]
pub struct HubScript {
    before_url: Vec<u8>,
    /// Nothing, where there is no address in it.
    after_url: Option<&'static str>,
}

impl HubScript {
    /// The script for these hubs.
    ///
    /// # Errors
    ///
    /// A name is no identifier. Names of hubs and methods may be reserved words, those of
    /// parameters may not.
    pub fn new(hubs: &[HubDescription<'_>]) -> Result<Self, UnsafeName> {
        let mut hubs: Vec<&HubDescription<'_>> = hubs.iter().collect();
        hubs.sort_by_key(|hub| hub.name.to_lowercase());
        let mut script = Vec::from(BEGINNING);
        for hub in hubs {
            write_hub(&mut script, hub)?;
        }
        script.extend_from_slice(AFTER_HUBS.as_bytes());
        Ok(Self { before_url: script, after_url: Some(END) })
    }

    /// What is answered where scripts are not enabled (LEG-124).
    pub fn disabled() -> Self {
        let script = format!("throw new Error('{SCRIPT_DISABLED}');");
        Self { before_url: script.into_bytes(), after_url: None }
    }

    /// Appends the script for the mount at `url`, the path in front of `/hubs` or `/js`; nothing in
    /// it can end a text or an element (LEG-125).
    pub fn write(&self, out: &mut Vec<u8>, url: &str) {
        out.extend_from_slice(&self.before_url);
        if let Some(after_url) = self.after_url {
            write_text(out, url);
            out.extend_from_slice(after_url.as_bytes());
        }
    }
}

impl fmt::Debug for HubScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubScript").field("bytes", &self.before_url.len()).finish_non_exhaustive()
    }
}

fn write_hub(out: &mut Vec<u8>, hub: &HubDescription<'_>) -> Result<(), UnsafeName> {
    check(hub.name, "hub", is_member)?;
    let name = shown(hub.name, hub.verbatim);
    put(out, &["\n        proxies[", &name, "] = this.createHubProxy(", &name, ");"]);
    put(out, &["\n        proxies[", &name, "].client = {};"]);
    put(out, &["\n        proxies[", &name, "].server = {"]);
    let mut methods: Vec<&MethodDescription<'_>> = hub.methods.iter().collect();
    methods.sort_by_key(|method| (method.name.to_lowercase(), method.parameters.len()));
    methods.dedup_by_key(|method| method.name.to_lowercase());
    for (index, method) in methods.into_iter().enumerate() {
        check(method.name, "method", is_member)?;
        for (index, parameter) in method.parameters.iter().enumerate() {
            let is_new = !method.parameters[..index].contains(parameter);
            check(parameter, "parameter", |name| is_new && is_parameter_name(name))?;
        }
        let separator = if index == 0 { "" } else { "," };
        let shown = shown(method.name, method.verbatim);
        let parameters = method.parameters.join(", ");
        put(out, &[separator, "\n            ", &shown, ": function (", &parameters, ") {"]);
        put(out, &["\n                return call(proxies[", &name, "], ", &literal(method.name)]);
        put(out, &[", arguments);\n            }"]);
    }
    put(out, &["\n        };\n"]);
    Ok(())
}

/// Whether an object may have a member of that name. There is one that is none.
fn is_member(name: &str) -> bool {
    is_identifier(name) && name != "__proto__"
}

fn check(
    name: &str,
    of: &'static str,
    is_safe: impl FnOnce(&str) -> bool,
) -> Result<(), UnsafeName> {
    if is_safe(name) { Ok(()) } else { Err(UnsafeName { name: name.to_owned(), of }) }
}

/// A name as pages know it: with a small letter in front, unless it was given explicitly
/// (LEG-122).
fn shown(name: &str, verbatim: bool) -> String {
    if verbatim {
        return literal(name);
    }
    let mut characters = name.chars();
    let first = characters.next().into_iter().flat_map(char::to_lowercase);
    literal(&first.chain(characters).collect::<String>())
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// A text of the script with its quotes.
fn literal(text: &str) -> String {
    let mut out = Vec::new();
    write_text(&mut out, text);
    String::from_utf8(out).expect("it is ASCII")
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let mut json = Vec::new();
    write_json(&mut json, text).expect("a vector takes all that is written to it");
    write_in_script(out, &json);
}

const BEGINNING: &str = "\
/*! Hubs of this server, for the JavaScript client of ASP.NET SignalR 2.x */
(function ($, window) {
    \"use strict\";

    if (typeof $.signalR !== \"function\") {
        throw new Error(\"SignalR: SignalR is not loaded. Please ensure jquery.signalR-x.js is referenced before ~/signalr/js.\");
    }

    var signalR = $.signalR;

    // What the client is to call in the place of a function of the page.
    function handlerOf(proxy, handler) {
        return function () {
            handler.apply(proxy, arguments);
        };
    }

    function own(object, name) {
        return Object.prototype.hasOwnProperty.call(object, name);
    }

    // The last argument names a handler when it is to be removed: the one before it is new each time.
    function register(proxies, subscribe) {
        var key, name, proxy, handler, change;
        for (key in proxies) {
            proxy = proxies[key];
            if (!own(proxies, key) || !proxy.hubName) {
                continue;
            }
            change = subscribe ? proxy.on : proxy.off;
            for (name in proxy.client) {
                handler = proxy.client[name];
                if (own(proxy.client, name) && typeof handler === \"function\") {
                    change.call(proxy, name, handlerOf(proxy, handler), handler);
                }
            }
        }
    }

    function call(proxy, method, values) {
        return proxy.invoke.apply(proxy, [method].concat(Array.prototype.slice.call(values)));
    }

    $.hubConnection.prototype.createHubProxies = function () {
        var proxies = {};

        this.starting(function () {
            register(proxies, true);
            this._registerSubscribedHubs();
        }).disconnected(function () {
            register(proxies, false);
        });
";

const AFTER_HUBS: &str = "
        return proxies;
    };

    signalR.hub = $.hubConnection(";

const END: &str = ", { useDefaultPath: false });
    $.extend(signalR, signalR.hub.createHubProxies());
}(window.jQuery, window));
";

#[cfg(test)]
mod tests {
    use super::*;

    fn method<'a>(name: &'a str, verbatim: bool, parameters: &[&'a str]) -> MethodDescription<'a> {
        MethodDescription { name, verbatim, parameters: parameters.to_vec() }
    }

    fn hub<'a>(name: &'a str, methods: Vec<MethodDescription<'a>>) -> HubDescription<'a> {
        HubDescription { name, verbatim: false, methods }
    }

    fn text(hubs: &[HubDescription<'_>], url: &str) -> String {
        let mut out = Vec::new();
        HubScript::new(hubs).expect("safe names").write(&mut out, url);
        String::from_utf8(out).expect("ASCII")
    }

    fn places<'a>(text: &str, parts: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
        let place = |part| text.find(part).unwrap_or_else(|| panic!("{part} is in {text}"));
        parts.into_iter().map(place).collect()
    }

    /// LEG-122, `hub-script`.
    #[test]
    fn hubs_and_methods_are_sorted_and_explicit_names_stay() {
        let three = vec![
            method("ThirdExplicit", true, &["x", "y"]),
            method("SecondOne", false, &["a"]),
            method("First", false, &[]),
        ];
        let second = HubDescription { verbatim: true, ..hub("secondHub", vec![]) };
        let text = text(&[hub("ThreeHub", three), second, hub("URLHub", vec![])], "/signalr");
        let found = places(
            &text,
            [
                r#"proxies["secondHub"] = this.createHubProxy("secondHub");"#,
                r#"proxies["threeHub"] = this.createHubProxy("threeHub");"#,
                r#"proxies["threeHub"].client = {};"#,
                r#""first": function () {"#,
                r#"call(proxies["threeHub"], "First", arguments)"#,
                r#""secondOne": function (a) {"#,
                r#"call(proxies["threeHub"], "SecondOne", arguments)"#,
                r#""ThirdExplicit": function (x, y) {"#,
                r#"call(proxies["threeHub"], "ThirdExplicit", arguments)"#,
                r#"proxies["uRLHub"]"#,
                r#"$.hubConnection("/signalr", { useDefaultPath: false })"#,
            ],
        );
        assert!(found.is_sorted(), "{text}");
    }

    #[test]
    fn of_overloads_the_one_with_the_fewest_parameters_is_shown() {
        let overloads = vec![
            method("Echo", false, &["a", "b"]),
            method("echo", false, &["a"]),
            method("Z", false, &[]),
        ];
        let text = text(&[hub("H", overloads)], "/");
        assert!(text.contains(r#""echo": function (a) {"#), "{text}");
        assert_eq!(text.matches("function (a, b)").count(), 0, "{text}");
        assert_eq!(text.matches("return call(").count(), 2);
    }

    #[test]
    fn unsafe_names_are_refused() {
        let refused = |hubs: &[HubDescription<'_>]| HubScript::new(hubs).map(drop);
        let unsafe_name = |name: &str, of| Err(UnsafeName { name: name.to_owned(), of });
        for name in ["", "a b", "a.b", "1a", "a'", "a\"]=alert(1);//", "</script>", "a\u{2028}"] {
            assert_eq!(refused(&[hub(name, vec![])]), unsafe_name(name, "hub"));
            let methods = vec![method(name, true, &[])];
            assert_eq!(refused(&[hub("H", methods)]), unsafe_name(name, "method"));
            let methods = vec![method("M", true, &["a", name])];
            assert_eq!(refused(&[hub("H", methods)]), unsafe_name(name, "parameter"));
        }
        // This one would change what the object is.
        assert_eq!(refused(&[hub("__proto__", vec![])]), unsafe_name("__proto__", "hub"));
        // Members may be called so, parameters not.
        assert_eq!(refused(&[hub("Class", vec![method("Delete", false, &[])])]), Ok(()));
        for name in ["class", "arguments", "eval", "true"] {
            let methods = vec![method("M", true, &[name])];
            assert_eq!(refused(&[hub("H", methods)]), unsafe_name(name, "parameter"));
        }
        let twice = vec![method("M", true, &["a", "a"])];
        assert_eq!(refused(&[hub("H", twice)]), unsafe_name("a", "parameter"));
    }

    /// LEG-125.
    #[test]
    fn an_address_cannot_leave_its_text() {
        let text = text(&[], "/a\"</script><script>alert('1')//\\\u{2028}é");
        assert!(text.contains(
            r#"$.hubConnection("/a\"\u003c/script\u003e\u003cscript\u003ealert(\u00271\u0027)//\\\u2028\u00e9", {"#
        ));
    }

    /// LEG-124.
    #[test]
    fn a_disabled_script_says_so() {
        let mut out = Vec::new();
        HubScript::disabled().write(&mut out, "/signalr");
        assert_eq!(
            String::from_utf8(out).as_deref(),
            Ok("throw new Error('SignalR: JavaScript Hub proxy generation has been disabled.');")
        );
    }
}
