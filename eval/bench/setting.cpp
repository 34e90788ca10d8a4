#include "eval/bench/setting.h"

#include <ATen/Parallel.h>

#include "lib/core/error.h"
#include "lib/model/accounting.h"
#include "lib/model/arithmetic.h"

namespace tacit {

WorkShape checked_shape(const BenchSetting& setting, int64_t positions) {
  const int64_t limit = setting.model->config().max_positions;
  require(positions <= limit, "bench", "expected at most ", limit, " positions (the model's) but got ", positions, ", ",
          setting.shape.question, " of them for the question");
  WorkShape shape = setting.shape;
  shape.bytes_per_value = static_cast<int64_t>(at::elementSize(setting.model->dtype()));
  shape.int8_weights = setting.model->weight_format() == WeightFormat::int8;
  const ModelConfig& config = setting.model->config();
  for (int64_t layer = 0; shape.int8_weights && layer < config.layers; ++layer) {
    const int64_t window = config.layer(layer).window;  // over less than all positions: no step runs on the packed form
    require(window == 0 || window >= positions, "bench", "expected layers that see all ", positions,
            " positions, as steps that read int8 do, but layer ", layer, " sees ", window);
  }
  return shape;
}

OrderedJson describe(const BenchSetting& setting, const std::string& benchmark) {
  const Transformer& model = *setting.model;
  OrderedJson json = {{"benchmark", benchmark},           {"config", setting.config},
                      {"family", model.config().family},  {"parameters", account(model.config()).parameters},
                      {"device", model.device().str()},   {"dtype", dtype_name(model.dtype())},
                      {"threads", at::get_num_threads()}, {"batch", setting.shape.rows}};
  if (model.weight_format() == WeightFormat::int8) json["weights"] = "int8";
  return json;
}

void put_times(OrderedJson& json, const Timings& timings, const Work& work, const MachineRates& rates) {
  json["rounds"] = timings.at("ours").size();
  json["ms_median"] = median(timings, "ours");
  json["ms_p95"] = p95(timings, "ours");
  put_rates(json, work, median(timings, "ours"), rates.gb_per_s(timings), rates.gflop_per_s(timings));
}

TokenRows bench_questions(const BenchSetting& setting) {
  const auto vocabulary = static_cast<uint64_t>(setting.model->config().vocab_size);
  TokenRows rows(static_cast<size_t>(setting.shape.rows));
  for (size_t b = 0; b < rows.size(); ++b) {
    for (uint64_t t = 0; t < static_cast<uint64_t>(setting.shape.question); ++t) {
      const uint64_t drawn = setting.seed % vocabulary + 7919 * b + 104729 * t + 31 * t * t;
      rows[b].push_back(static_cast<int64_t>(drawn % vocabulary));
    }
  }
  return rows;
}

}  // namespace tacit
