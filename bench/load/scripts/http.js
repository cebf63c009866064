// k6: closed loop over HTTP, or, with RATE, arrivals at a constant rate with at most VUS of them under way.
import http from "k6/http";

const vus = Number(__ENV.VUS);
const load = __ENV.RATE
  ? { executor: "constant-arrival-rate", rate: Number(__ENV.RATE), timeUnit: "1s", duration: __ENV.DURATION,
      preAllocatedVUs: vus, maxVUs: vus }
  : { executor: "constant-vus", vus: vus, duration: __ENV.DURATION };

export const options = {
  discardResponseBodies: true,
  scenarios: { load: load },
  summaryTrendStats: ["med", "p(90)", "p(99)", "p(99.9)", "max"],
};

export default function () {
  http.get(__ENV.URL);
}
