//! Hubs behind a classic mount: which of them a client listens to, and which one it calls.

use std::borrow::Cow;

use super::model::{Asking, Model, Refusal, Sent};
use super::mount::sum;
use super::options::{ClassicHubOptions, ClassicHubs};
use crate::auth::{Access, Identity};
use crate::base::{ConnectionKey, HashMap};
use crate::hub::{
    Asked, ClientState, Closed, HubTable, Parting, Registry, ReplyPath, SharedHub, contained,
};
use crate::protocol::classic;
use crate::protocol::classic::{
    Failure, HubDescription, HubScript, MethodDescription, errors, hub_names, write_error,
};
use crate::protocol::http::{Head, RequestHead};
use crate::protocol::hub_protocol::{Invocation, StreamIds};

/// The hubs of one mount.
pub(crate) struct Hubs {
    mounted: Vec<Mounted>,
    /// Their places by lower-case name (§4.8).
    names: HashMap<Box<str>, usize>,
    script: HubScript,
}

struct Mounted {
    name: String,
    world: u16,
    options: ClassicHubOptions,
    hub: SharedHub,
}

impl Hubs {
    /// Those of the declared that are served; each gives its name to its world.
    pub(crate) fn new(
        registry: &mut Registry,
        declared: &ClassicHubs,
        table: &HubTable,
        has_script: bool,
    ) -> Self {
        let (mut mounted, mut names) = (Vec::new(), HashMap::default());
        for declared in &declared.declared {
            let Some(hub) = (declared.find)(table) else { continue };
            let (name, world) = (declared.name.clone(), hub.borrow().world());
            registry.name_world(world, &name);
            names.insert(name.to_lowercase().into(), mounted.len());
            mounted.push(Mounted { name, world, options: declared.options.clone(), hub });
        }
        let script = if has_script { script_of(&mounted) } else { HubScript::disabled() };
        Self { mounted, names, script }
    }

    fn find(&self, name: &str) -> Option<&Mounted> {
        let index =
            self.names.get(name).or_else(|| self.names.get(name.to_lowercase().as_str()))?;
        self.mounted.get(*index)
    }

    fn of_worlds<'a>(&'a self, worlds: &'a [u16]) -> impl Iterator<Item = &'a Mounted> {
        self.mounted.iter().filter(move |hub| worlds.contains(&hub.world))
    }
}

impl Mounted {
    fn allows(
        &self,
        registry: &mut Registry,
        identity: Option<&Identity>,
        head: Option<Head<'_>>,
    ) -> bool {
        let Some(policy) = &self.options.authorize else { return true };
        let access = match head {
            Some(head) => Access::request_of(identity, head),
            None => Access::of(identity),
        };
        contained(|| policy.allows(&access)).unwrap_or_else(|panic| {
            registry.count_panic();
            tracing::error!(hub = self.name, panic, "a policy panicked; the answer is no");
            false
        })
    }
}

/// The worlds of the hubs that a connection listens to.
fn listened(registry: &Registry, key: ConnectionKey) -> Vec<u16> {
    let classic = registry.get(key).and_then(|connection| connection.classic.as_deref());
    classic.map(|classic| classic.hubs.to_vec()).unwrap_or_default()
}

impl Model for Hubs {
    fn admit(&mut self, registry: &mut Registry, asking: &Asking<'_>) -> Result<Vec<u16>, Refusal> {
        let names = hub_names(asking.parameters.query("connectionData").as_deref())
            .map_err(|error| Refusal::Wrong(error.to_string()))?;
        let mut worlds = Vec::with_capacity(names.len());
        for name in &names {
            let wrong = || Refusal::Wrong(errors::unknown_hub(name));
            let hub = self.find(name).ok_or_else(wrong)?;
            if hub.allows(registry, asking.identity, Some(asking.head)) {
                worlds.push(hub.world);
            }
        }
        // Who asks for hubs and may have none hears so; the others hear nothing of what they may
        // not have (§1.6).
        if worlds.is_empty() && !names.is_empty() { Err(Refusal::Denied) } else { Ok(worlds) }
    }

    fn connected(&mut self, registry: &mut Registry, key: ConnectionKey) -> (u16, bool) {
        let worlds = listened(registry, key);
        sum(self.of_worlds(&worlds).map(|known| known.hub.borrow_mut().connected(registry, key)))
    }

    fn reconnected(&mut self, registry: &mut Registry, key: ConnectionKey) -> bool {
        let worlds = listened(registry, key);
        let mut is_well = true;
        for known in self.of_worlds(&worlds) {
            is_well &= known.hub.borrow_mut().reconnected(registry, key);
        }
        is_well
    }

    fn rejoin(&mut self, registry: &mut Registry, key: ConnectionKey, groups: &[String]) {
        let worlds = listened(registry, key);
        for known in self.of_worlds(&worlds) {
            let of_hub = groups.iter().filter_map(|group| {
                let (hub, name) = group.split_once('.')?;
                (hub.to_lowercase() == known.name.to_lowercase()).then(|| name.to_owned())
            });
            let agreed =
                known.hub.borrow_mut().rejoining(registry, key, of_hub.collect::<Vec<_>>());
            registry.rejoin(key, known.world, &agreed);
        }
    }

    fn received(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        data: Option<&mut [u8]>,
        path: ReplyPath,
        query: Option<&str>,
    ) -> Result<Sent, Refusal> {
        let nothing = || Refusal::Wrong("There is no call in the data.".into());
        let data = data.ok_or_else(nothing)?;
        let bytes = data.len();
        let call = classic::Invocation::read(data);
        let call = call.map_err(|refused| Refusal::Wrong(refused.to_string()))?;
        let Some(known) = self.find(&call.hub) else {
            return Err(Refusal::Wrong(errors::unknown_hub(&call.hub)));
        };
        let asked = Asked {
            path,
            hub: call.hub.as_ref().into(),
            method: call.method.as_ref().into(),
            id: call.id.as_json().into(),
            state: call.state.map(ClientState::read).unwrap_or_default(),
            query: query.map(Into::into),
        };
        let is_allowed = known.options.authorize.is_none() || {
            let connection = registry.get_mut(key);
            let request = connection.and_then(|connection| connection.request.take());
            let identity = registry.get(key).and_then(|connection| connection.identity.clone());
            let head = request.as_deref().map(RequestHead::head);
            let is_allowed = known.allows(registry, identity.as_deref(), head);
            if let Some(connection) = registry.get_mut(key) {
                connection.request = request;
            }
            is_allowed
        };
        let detailed = registry.get(key).is_some_and(|connection| connection.hub.detailed);
        let text = match (is_allowed, detailed) {
            (true, _) => None,
            (false, true) => {
                let method = known.hub.borrow().spelling(&call.method);
                Some(errors::not_authorized(&known.name, &method))
            }
            (false, false) => Some(errors::invocation_failed(&call.hub, &call.method)),
        };
        let number = registry.expect_reply(key, asked);
        let id = format!("{number}:{}", call.id.as_json());
        if let Some(text) = text {
            let mut record = Vec::new();
            write_error(&mut record, call.id.as_json(), &Failure::plain(&text), None);
            registry.reply(&id, record);
            return Ok(Sent::Call(number));
        }
        let invocation = Invocation {
            invocation_id: Some(Cow::Owned(id)),
            target: call.method,
            arguments: call.arguments,
            stream_ids: StreamIds::default(),
        };
        known.hub.borrow_mut().invoke(registry, key, invocation, bytes);
        Ok(Sent::Call(number))
    }

    fn ended(
        &mut self,
        registry: &mut Registry,
        key: ConnectionKey,
        reason: &Closed,
        is_known: bool,
    ) -> Parting {
        let worlds = listened(registry, key);
        let classic = registry.get(key).and_then(|connection| connection.classic.as_deref());
        let met = classic.map(|classic| classic.met.to_vec()).unwrap_or_default();
        let mut parting = Parting::Done;
        for known in &self.mounted {
            let hears = is_known && worlds.contains(&known.world);
            if hears || met.contains(&known.world) {
                let hub = &known.hub;
                let ended = hub.borrow_mut().ended(registry, key, reason, hears);
                if ended == Parting::Failed {
                    parting = Parting::Failed;
                }
            }
        }
        parting
    }

    fn script(&self, _: &Registry, url: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.script.write(&mut out, url);
        Some(out)
    }
}

/// The script for these hubs; names that cannot stand in one were told when the mount was added.
fn script_of(hubs: &[Mounted]) -> HubScript {
    let shapes: Vec<_> = hubs.iter().map(|known| known.hub.borrow().describe()).collect();
    let described = hubs.iter().zip(&shapes).map(|(known, methods)| HubDescription {
        name: &known.name,
        verbatim: known.options.verbatim,
        methods: methods
            .iter()
            .map(|method| MethodDescription {
                name: &method.name,
                verbatim: method.verbatim,
                parameters: method.parameters.iter().map(String::as_str).collect(),
            })
            .collect(),
    });
    HubScript::new(&described.collect::<Vec<_>>()).unwrap_or_else(|error| {
        tracing::error!(%error, "the script for classic clients cannot be written");
        HubScript::disabled()
    })
}
