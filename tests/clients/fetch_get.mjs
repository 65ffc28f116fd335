// fetch, as node has it.
const [url, seconds] = process.argv.slice(2);
const started = performance.now();
const elapsed = () => Math.round(performance.now() - started);
// Of a reset at the wrong moment fetch says nothing: the process ends as one whose last wait cannot end.
process.on("exit", (code) => {
  if (code === 13) console.log(`failed ${elapsed()} fetch never answered`);
});
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(seconds * 1000) });
  await answer.text();
  console.log(answer.status);
} catch (error) {
  console.log(`failed ${elapsed()} ${error} ${error.cause}`);
}
