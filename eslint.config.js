import tseslint from "typescript-eslint";

export default tseslint.config(
  // What other parts of "make test" write meanwhile is not walked through: a lab host being made has files nobody may list.
  { ignores: ["**/node_modules/", "ui/assets/dist/", "bin/", "data/", "e2e/browser/out/", ".cache/", ".tools/"] },
  {
    files: ["ui/assets/src/**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "texts are data: use textContent" },
        { property: "outerHTML", message: "texts are data: use textContent" },
        { object: "window", property: "localStorage", message: "nothing typed is kept in the browser" },
      ],
      "no-restricted-globals": ["error", "localStorage", "sessionStorage"],
    },
  },
);
