export default {
  generateBuildId: () => "B", // which the test spells
  turbopack: { root: new URL("..", import.meta.url).pathname }, // where the packages are
};
