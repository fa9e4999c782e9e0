// Does: a button that submits no form. Plain HTML makes one of every button that does not say otherwise.
// Used by: all pages and parts.
import type { ComponentProps } from "preact";

/** A button of type `button`. */
export const Button = (props: ComponentProps<"button">) => <button type="button" {...props} />;
