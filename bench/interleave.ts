/**
 * Measures each subject once a round, A B, B A, A B …, after one round that does not count. The
 * machine is shared and its speed drifts: what is compared has to be measured within seconds.
 */
export async function interleave<Subject extends string, Value>(
  rounds: number,
  subjects: readonly Subject[],
  measure: (subject: Subject) => Promise<Value>,
): Promise<Record<Subject, Value[]>> {
  const values = Object.fromEntries(subjects.map((subject) => [subject, []])) as unknown as Record<
    Subject,
    Value[]
  >;
  for (const subject of subjects) await measure(subject);
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? subjects : subjects.toReversed();
    for (const subject of order) values[subject].push(await measure(subject));
  }
  return values;
}
