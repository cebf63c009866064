// k6: closed loop of unary health checks; a virtual user has a connection of its own, k6 has no other way.
import grpc from "k6/net/grpc";

const client = new grpc.Client();
let connected = false;

export const options = { scenarios: { load: { executor: "constant-vus", vus: Number(__ENV.VUS), duration: __ENV.DURATION } } };

export default function () {
  if (!connected) {
    client.connect(__ENV.URL, { plaintext: true, reflect: true });
    connected = true;
  }
  client.invoke("grpc.health.v1.Health/Check", {});
}
