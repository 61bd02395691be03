/** The example of clients/README.md, run as it stands there. */

import { act, fireEvent, render, screen } from "@testing-library/react-native";

import { person } from "./reroute";

import App from "./example/App";

jest.setTimeout(30_000);

const mockKept = new Map<string, string>();

jest.mock(
  "expo-secure-store",
  () => ({
    getItemAsync: (key: string) => Promise.resolve(mockKept.get(key) ?? null),
    setItemAsync: (key: string, value: string) => Promise.resolve(void mockKept.set(key, value)),
    deleteItemAsync: (key: string) => Promise.resolve(void mockKept.delete(key)),
  }),
  { virtual: true },
);

test("the example signs in, asks a backend, stays signed in, and signs out", async () => {
  const { unmount } = render(<App />);
  fireEvent.changeText(await screen.findByLabelText("Pass code"), person.passCode);
  fireEvent.press(screen.getByRole("button", { name: "Send the code" }));
  const field = await screen.findByLabelText("Code");
  const code = await person.code();
  await act(async () => {
    fireEvent.changeText(field, `${code} is your House Service Pass code.`);
    await Promise.resolve();
  });
  expect(await screen.findByText("Good morning, A")).toBeOnTheScreen();
  expect(screen.getByText("No end of days left")).toBeOnTheScreen();
  fireEvent.press(screen.getByText("Load my bookings"));
  expect(await screen.findByText("answered 200")).toBeOnTheScreen();
  expect(mockKept.size).toBe(1);
  // Some versions of iOS refuse longer values.
  expect(mockKept.get("hsp-otp")?.length).toBeLessThan(2048);

  unmount();
  render(<App />);
  expect(await screen.findByText("Good morning, A")).toBeOnTheScreen();
  fireEvent.press(screen.getByText("Sign out"));
  expect(await screen.findByLabelText("Pass code")).toBeOnTheScreen();
  const kept = JSON.parse(mockKept.get("hsp-otp") ?? "") as Record<string, unknown>;
  expect(Object.keys(kept)).toEqual(["devices"]);
});
