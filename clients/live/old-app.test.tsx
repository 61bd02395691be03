/** The old app, over the hook and against the service. */

import { act, fireEvent, render, screen } from "@testing-library/react-native";

import { OldAuthProvider, OldLoginScreen } from "../react/tests/old-app";
import { Person } from "./services";

jest.setTimeout(30_000);

async function enter(label: string, text: string, button: string): Promise<void> {
  fireEvent.changeText(await screen.findByLabelText(label), text);
  await act(async () => {
    fireEvent.press(screen.getByText(button));
    await Promise.resolve();
  });
}

test("its screen shows the service's sentences, and signs in", async () => {
  const person = new Person("house", 58);
  render(
    <OldAuthProvider client={person.client()}>
      <OldLoginScreen />
    </OldAuthProvider>,
  );
  await enter("Pass code", "HSP-9999-9999", "Send OTP");
  expect(await screen.findByText(/^We cannot find a pass/)).toBeOnTheScreen();
  await enter("Pass code", person.passCode, "Send OTP");
  await screen.findByLabelText("OTP");
  await enter("OTP", await person.wrong(), "Verify");
  expect(await screen.findByText("This code is wrong. (2 left)")).toBeOnTheScreen();
  await enter("OTP", await person.code(), "Verify");
  expect(await screen.findByText("Welcome")).toBeOnTheScreen();
});
