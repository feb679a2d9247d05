// Runs a TFJS graph model with TensorFlow.js: node run_tfjs.js MODEL_JSON INPUT_NAME SHAPE IN_FILE OUT_PREFIX OUTPUT_NAME...
// Input and outputs are raw float32 files; SHAPE is JSON. Needs `npm install @tensorflow/tfjs@4.22.0` where it is run.
const fs = require("fs");
const path = require("path");
const tf = require(require.resolve("@tensorflow/tfjs", { paths: [process.cwd()] }));

async function main([modelJson, inputName, shape, inFile, outPrefix, ...outputNames]) {
  const topology = JSON.parse(fs.readFileSync(modelJson));
  const groups = topology.weightsManifest;
  const shards = groups.flatMap((group) => group.paths).map((file) => path.join(path.dirname(modelJson), file));
  const weights = Buffer.concat(shards.map((file) => fs.readFileSync(file)));
  const model = await tf.loadGraphModel({
    load: async () => ({
      ...topology,
      weightSpecs: groups.flatMap((group) => group.weights),
      weightData: new Uint8Array(weights).buffer,
    }),
  });
  const values = new Float32Array(new Uint8Array(fs.readFileSync(inFile)).buffer);
  const input = tf.tensor(values, JSON.parse(shape)).cast(model.inputs[0].dtype);
  const outputs = await model.executeAsync({ [inputName]: input }, outputNames);
  outputs.forEach((output, index) => fs.writeFileSync(`${outPrefix}${index}`, Buffer.from(output.dataSync().buffer)));
}

main(process.argv.slice(2));
