// An extension whose command keeps the thread of its session busy without ever yielding.

/** Source of the extension: `/spin` spins for that many milliseconds, or forever. */
export const SPINNER: string = `
export default function (pi) {
  pi.registerCommand("spin", {
    description: "Spins",
    handler: async (ms) => {
      const end = ms ? Date.now() + Number(ms) : Infinity;
      while (Date.now() < end);
    },
  });
}
`;
