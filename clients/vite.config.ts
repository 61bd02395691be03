import { defineConfig } from "vite";

// The screens for a browser: served by the service itself at /app/, in development mode alone.
export default defineConfig({
  root: "mobile/web",
  base: "/app/",
  logLevel: "warn",
  define: { __DEV__: false },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    modulePreload: false,
    rollupOptions: {
      onwarn: (warning, warn) => {
        // "use client" in react-native-web, which means nothing here.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
  resolve: {
    alias: [{ find: /^react-native$/, replacement: "react-native-web" }],
    extensions: [".web.tsx", ".web.ts", ".tsx", ".ts", ".web.js", ".js", ".mjs"],
  },
});
