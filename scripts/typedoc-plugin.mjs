// Loaded by TypeDoc: see typedoc.json.
import { Converter } from 'typedoc';

/** `CaptureService` is an interface that extends `CaptureServiceClass`, which is not exported: "Inherited from" would name that class. */
export function load({ converter }) {
  converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const reflection of Object.values(project.reflections)) {
      if (/^Capture\w+Class\./.test(reflection.inheritedFrom?.name)) delete reflection.inheritedFrom;
    }
  });
}
