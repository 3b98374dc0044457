// Builds elements without markup, so that no text of a user can become one.

/** An element with these properties and children. */
export function element(tag, properties, children = []) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
