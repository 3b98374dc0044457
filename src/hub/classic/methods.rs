//! What classic clients see of a table of methods beyond their names: overloads, parameters, and
//! the generated script.

use super::super::Hub;
use super::super::arity::Method;
use super::super::methods::{Entry, Failure, Methods};
use super::MethodShape;

/// What only classic clients see of a method.
#[derive(Clone, Debug, Default)]
pub(in crate::hub) struct Shown {
    /// The names of its parameters; those that were not named have a number.
    parameters: Vec<String>,
    /// Its name was given on purpose.
    verbatim: bool,
    /// It stands behind another one of its name.
    is_overload: bool,
    /// Others stand behind it.
    is_overloaded: bool,
}

impl<H: Hub> Methods<H> {
    /// Offers one more method under a name: classic clients reach that which takes as many
    /// arguments as they send. If two take the same number, neither can be reached that way.
    /// Clients of ASP.NET Core know no overloads and call the first.
    ///
    /// ```
    /// use tickhub::{Context, Hub, Methods};
    ///
    /// struct Calculator;
    ///
    /// impl Hub for Calculator {
    ///     type State = ();
    ///     fn methods(m: &mut Methods<Self>) {
    ///         m.on("Sum", |_: &mut Self, _: &mut Context<Self>, a: i64, b: i64| a + b)
    ///             .parameters(["a", "b"])
    ///             .overload("Sum", |_: &mut Self, _: &mut Context<Self>, a: i64| a);
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no method of that name yet.
    pub fn overload<Args>(&mut self, name: &str, method: impl Method<H, Args>) -> &mut Self {
        let first = self.find_mut(name);
        first.unwrap_or_else(|| panic!("no method is called {name:?} yet")).shown.is_overloaded =
            true;
        self.push(name, method.into_parts());
        self.last("an overload").shown.is_overload = true;
        self
    }

    /// Names the parameters of the method that was added last, for the script that is generated for
    /// classic clients and for what they read about wrong calls.
    ///
    /// # Panics
    ///
    /// When it takes another number of arguments, or there is none.
    pub fn parameters<const N: usize>(&mut self, names: [&str; N]) -> &mut Self {
        let method = self.last("parameters");
        let takes = method.shape.arguments;
        assert!(takes == N, "{} takes {takes} arguments, not {N}", method.name);
        method.shown.parameters = names.map(str::to_owned).into();
        self
    }

    /// Makes the name of the method that was added last one that the script for classic clients
    /// shows as it is. Otherwise it shows it with a small first letter, as for any method that was
    /// not named on purpose.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub fn verbatim(&mut self) -> &mut Self {
        self.last("a name").shown.verbatim = true;
        self
    }

    fn last(&mut self, what: &str) -> &mut Entry<H> {
        self.entries.last_mut().unwrap_or_else(|| panic!("a method for {what}"))
    }

    /// The one method of a name that takes so many arguments (§4.7).
    pub(in crate::hub) fn resolve(
        &self,
        target: &str,
        arguments: usize,
    ) -> Result<&Entry<H>, Failure> {
        if let Some(method) = self.find(target)
            && !method.shown.is_overloaded
            && method.shape.arguments == arguments
        {
            return Ok(method);
        }
        let lower = target.to_lowercase();
        let named = || self.entries.iter().filter(|entry| entry.name.to_lowercase() == lower);
        let mut fitting = named().filter(|entry| entry.shape.arguments == arguments);
        if let (Some(method), None) = (fitting.next(), fitting.next()) {
            return Ok(method);
        }
        // Those of exactly that spelling are shown.
        let candidates: Vec<String> =
            named().filter(|entry| &*entry.name == target).map(Entry::signature).collect();
        Err(Failure::Unresolved((!candidates.is_empty()).then(|| candidates.join("\n"))))
    }

    /// What the generated script says: each name once, with the fewest parameters.
    pub(in crate::hub) fn describe(&self) -> Vec<MethodShape> {
        let first = self.entries.iter().filter(|entry| !entry.shown.is_overload);
        let plain = first.filter(|entry| !entry.shape.streams && entry.shape.uploads == 0);
        let shapes = plain.map(|entry| {
            let lower = entry.name.to_lowercase();
            let named = self.entries.iter().filter(|other| other.name.to_lowercase() == lower);
            let shortest = named.min_by_key(|other| other.shape.arguments).unwrap_or(entry);
            MethodShape {
                name: entry.name.to_string(),
                verbatim: entry.shown.verbatim,
                parameters: shortest.parameter_names(),
            }
        });
        shapes.collect()
    }
}

impl<H: Hub> Entry<H> {
    fn parameter_names(&self) -> Vec<String> {
        let named = self.shown.parameters.iter().cloned();
        let rest = self.shown.parameters.len() + 1..=self.shape.arguments;
        named.chain(rest.map(|number| format!("arg{number}"))).collect()
    }

    fn signature(&self) -> String {
        format!("{}({})", self.name, self.parameter_names().join(", "))
    }
}
