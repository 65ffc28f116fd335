// fetch, as node has it.
const [url, seconds] = process.argv.slice(2);
const started = performance.now();
try {
  const answer = await fetch(url, { signal: AbortSignal.timeout(seconds * 1000) });
  await answer.text();
  console.log(answer.status);
} catch (error) {
  console.log(`failed ${Math.round(performance.now() - started)} ${error} ${error.cause}`);
}
