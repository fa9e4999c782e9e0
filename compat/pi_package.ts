// Stands in the place of src/protocol/pi_package.ts when the server is built on the newer pi.

/** The pi package that sessions run on. */
export const PI: { readonly package: string; readonly version: string } = {
  package: "@earendil-works/pi-coding-agent",
  version: "0.87.1",
};
