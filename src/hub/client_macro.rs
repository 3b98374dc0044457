//! Typed calls to clients.

/// Declares what clients can hear, as a trait of typed calls on every [`Audience`](crate::Audience).
///
/// The name after `=` is the name on the wire, so renaming a function here breaks no client.
///
/// ```
/// use tickhub::{Clients, client};
///
/// client! {
///     /// What a browser can hear.
///     pub trait Browser {
///         /// Somebody said something.
///         fn message(from: &str, text: &str) = "message";
///         fn cleared() = "cleared";
///     }
/// }
///
/// fn announce(clients: &mut Clients) {
///     clients.all().message("server", "hello").ignore();
///     clients.group("room").cleared().ignore();
/// }
/// ```
#[macro_export]
macro_rules! client {
    (
        $(#[$trait_meta:meta])*
        $vis:vis trait $name:ident {
            $(
                $(#[$meta:meta])*
                fn $method:ident($($argument:ident: $kind:ty),* $(,)?) = $wire:literal;
            )*
        }
    ) => {
        $(#[$trait_meta])*
        $vis trait $name: Sized {
            $(
                $(#[$meta])*
                #[doc = concat!("Calls `", $wire, "` on everybody in the audience.")]
                fn $method(self, $($argument: $kind),*) -> $crate::Delivery;
            )*
        }

        impl $name for $crate::Audience<'_> {
            $(
                fn $method(self, $($argument: $kind),*) -> $crate::Delivery {
                    self.send($wire, ($($argument,)*))
                }
            )*
        }
    };
}
