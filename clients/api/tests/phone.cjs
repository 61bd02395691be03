/** React Native's own requests and answers in the place of Node's. */

const { Headers, Request, Response } = require("whatwg-fetch");

Object.assign(globalThis, { Headers, Request, Response });
