const { getDefaultConfig, mergeConfig } = require("@react-native/metro-config");

// The example for a phone, as an app's own build does it. Its native module is left out.
module.exports = mergeConfig(getDefaultConfig(__dirname), {
  resolver: {
    resolveRequest: (context, name, platform) =>
      name === "expo-secure-store"
        ? { type: "empty" }
        : context.resolveRequest(context, name, platform),
  },
});
