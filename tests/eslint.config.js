import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/node_modules/**", "**/.venv/**", "**/target/**"] },
  js.configs.recommended,
  {
    rules: {
      "max-lines": ["error", 400],
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
    },
  },
  { files: ["tests/**/*.js"], languageOptions: { globals: globals.node } },
  // Parts of these run inside the page.
  { files: ["tests/browser/*.js"], languageOptions: { globals: globals.browser } },
  {
    files: ["demos/web/**/*.js"],
    languageOptions: { globals: { ...globals.browser, signalR: "readonly", $: "readonly", jQuery: "readonly" } },
  },
];
