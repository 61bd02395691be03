const preset = require("@react-native/jest-preset");

const configFile = require.resolve("./babel.config.cjs");
const transform = { ...preset.transform, "^.+\\.(js|ts|tsx)$": ["babel-jest", { configFile }] };
const onPhone = { preset: "@react-native/jest-preset", transform };

const rooms = [
  { displayName: "api", rootDir: "api", transform },
  { ...onPhone, displayName: "react", rootDir: "react" },
  { ...onPhone, displayName: "mobile", rootDir: "mobile" },
  // Needs a started service: drive.py starts some, and says where they are.
  { ...onPhone, displayName: "live", rootDir: "live" },
];

module.exports = {
  projects: rooms.map((room) => ({ ...room, testMatch: ["<rootDir>/**/*.test.{ts,tsx}"] })),
};
