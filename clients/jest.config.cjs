const preset = require("@react-native/jest-preset");

const configFile = require.resolve("./babel.config.cjs");
const transform = { ...preset.transform, "^.+\\.(js|ts|tsx)$": ["babel-jest", { configFile }] };
const onPhone = { preset: "@react-native/jest-preset", transform };

const rooms = [
  { displayName: "api", rootDir: "api", transform },
  // The same with what React Native has instead of the platform's own requests and answers.
  { displayName: "phone", rootDir: "api", transform, setupFiles: ["<rootDir>/tests/phone.cjs"] },
  { ...onPhone, displayName: "react", rootDir: "react" },
  { ...onPhone, displayName: "mobile", rootDir: "mobile" },
  // Needs a started service: drive.py starts some, and says where they are.
  { ...onPhone, displayName: "live", rootDir: "live" },
];

module.exports = {
  projects: rooms.map((room) => ({ ...room, testMatch: ["<rootDir>/**/*.test.{ts,tsx}"] })),
};
