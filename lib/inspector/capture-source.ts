import { type CaptureService } from '../capture/capture.service.js';
import { type LiveSource } from '../live/live-view.js';
import { type LiveLayout } from '../live/messages.js';
import { CaptureProbe } from './capture-probe.js';
import { liveDefinitions } from './definitions.js';

export function captureSource(capture: CaptureService, name: string | undefined): LiveSource {
  const layout: LiveLayout = {
    title: name === undefined ? 'Events to PostHog' : `Events to PostHog: ${name}`,
    about: "Each event from capture to PostHog's response, from the moment you open this page.",
    fates: [
      { id: 'queued', label: 'queued', tone: 'idle', isFinal: false },
      { id: 'sending', label: 'in flight', tone: 'busy', isFinal: false },
      { id: 'retrying', label: 'retrying', tone: 'warn', isFinal: false },
      { id: 'delivered', label: 'delivered', tone: 'good', isFinal: true },
      { id: 'dropped', label: 'dropped', tone: 'bad', isFinal: true },
    ],
    charts: [
      {
        label: 'Queue',
        unit: 'count',
        series: [
          { key: 'pending', label: 'waiting' },
          { key: 'inFlight', label: 'in flight' },
        ],
      },
      {
        label: 'Events',
        unit: 'rate',
        series: [
          { key: 'captured', label: 'captured' },
          { key: 'delivered', label: 'delivered' },
        ],
      },
      {
        label: 'Latency',
        unit: 'ms',
        series: [
          { key: 'median', label: 'median' },
          { key: 'slowest', label: 'slowest' },
        ],
      },
      {
        label: 'Failed requests',
        unit: 'rate',
        series: [
          { key: 'failed', label: 'failed' },
          { key: 'retries', label: 'retries' },
        ],
      },
    ],
    counters: [
      { key: 'captured', label: 'Captured' },
      { key: 'pending', label: 'Pending' },
      { key: 'delivered', label: 'Delivered' },
      { key: 'dropped', label: 'Dropped' },
    ],
    hint: {
      title: 'No events yet',
      parts: [
        {
          text: 'Capture an event to see it here. Nothing is recorded while no page is open.',
        },
      ],
    },
  };
  return { layout, attach: (feed) => new CaptureProbe(capture, feed), definitions: () => liveDefinitions(capture) };
}
