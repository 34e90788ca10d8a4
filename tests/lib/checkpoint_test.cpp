#include "lib/model/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <fstream>

#include "lib/core/error.h"
#include "lib/model/transformer.h"
#include "tests/lib/core_support.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// Writes the tiny model, its tensors changed by `edit`.
void write_edited(const std::filesystem::path& folder,
                  const std::function<void(std::map<std::string, at::Tensor>&)>& edit) {
  const auto model = tiny_model();
  save_model(folder, *model, model->config().raw);
  std::map<std::string, at::Tensor> tensors;
  const Safetensors file = read_safetensors(folder / "model.safetensors");
  for (const auto& [name, view] : file.tensors) tensors[name] = map_tensor(view).clone();
  edit(tensors);
  std::map<std::string, TensorToWrite> out;
  for (const auto& [name, tensor] : tensors) {
    out[name] = {element_type(tensor.scalar_type()),
                 tensor.sizes().vec(),
                 {static_cast<const std::byte*>(tensor.const_data_ptr()), static_cast<size_t>(tensor.nbytes())}};
  }
  write_safetensors(folder / "model.safetensors", out, {});
}

}  // namespace

TEST_CASE("a checkpoint whose tensors are not the family's is refused by name, shape and file") {
  const ScratchFolder scratch;
  const std::string query = "model.layers.0.self_attn.q_proj.weight", file = (scratch / "model.safetensors").string();
  const auto error = [&](const std::function<void(std::map<std::string, at::Tensor>&)>& edit) {
    write_edited(scratch.path(), edit);
    return error_of([&] { load_model(scratch.path()); });
  };
  CHECK(error([](auto&) {}) == "");
  const std::string missing = error([&](auto& tensors) { tensors.erase(query); });
  CHECK(holds(missing, "1 missing ('" + query + "') and 0 unexpected"));
  const std::string unexpected = error([](auto& tensors) { tensors["extra.weight"] = at::zeros({2}); });
  CHECK(holds(unexpected, "0 missing and 1 unexpected ('extra.weight')"));
  const std::string shape = error([&](auto& tensors) { tensors[query] = at::zeros({3, 5}); });
  CHECK(holds(shape, "expected '" + query + "' of shape ["));
  CHECK(holds(shape, "but got [3, 5] in " + file));
  const std::string type = error([&](auto& tensors) { tensors[query] = tensors[query].to(at::kInt); });
  CHECK(holds(type, "expected '" + query + "' as F64, F32, BF16 or F16 but got I32 in " + file));
}

TEST_CASE("weights load in the dtype asked for") {
  const ScratchFolder scratch;
  const auto model = tiny_model();
  save_model(scratch.path(), *model, model->config().raw);
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16, at::kHalf}) {
    const auto loaded = load_model(scratch.path(), {.dtype = dtype});
    for (const auto& [name, weight] : loaded->weights()) {
      CHECK((weight.scalar_type() == dtype));
      CHECK(at::equal(weight, model->weights().at(name).to(dtype)));
    }
  }
  CHECK(holds(error_of([&] { load_model(scratch.path(), {.dtype = at::kDouble}); }),
              "expected dtype fp32, bf16 or fp16"));
}

TEST_CASE("weights of the dtype asked for are the mapped file's own bytes, not a copy") {
  const ScratchFolder scratch;
  const auto model = tiny_model();
  save_model(scratch.path(), *model, model->config().raw);
  const std::string file = (scratch / "model.safetensors").string();
  const auto loaded = load_model(scratch.path(), {.dtype = at::kFloat});
  // "begin-end perms offset device inode path", a line a mapping.
  const auto file_at = [](const void* address) -> std::string {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      const uint64_t begin = std::stoull(line, nullptr, 16),
                     end = std::stoull(line.substr(line.find('-') + 1), nullptr, 16);
      const uint64_t at = reinterpret_cast<uint64_t>(address);
      if (at >= begin && at < end) return line.find('/') == std::string::npos ? "" : line.substr(line.find('/'));
    }
    return "";
  };
  for (const auto& [name, weight] : loaded->weights()) {
    CAPTURE(name);
    CHECK(file_at(weight.const_data_ptr()) == file);
  }
  CHECK(file_at(load_model(scratch.path(), {.dtype = at::kBFloat16})->weights().begin()->second.const_data_ptr()) !=
        file);
}

TEST_CASE("a mapped weight may be changed in place: the process sees it, its packed form too, the file does not") {
  const ScratchFolder scratch;
  const auto model = tiny_model();
  save_model(scratch.path(), *model, model->config().raw);
  const std::string before = read_file(scratch / "model.safetensors", "test");
  const at::NoGradGuard no_grad;
  const auto loaded = load_model(scratch.path(), {.dtype = at::kFloat});
  const auto packed = loaded->fused();
  for (const auto& [name, weight] : loaded->weights()) {
    const at::Tensor want = weight * 2;
    at::Tensor(weight).mul_(2);
    CHECK(at::equal(weight, want));
  }
  CHECK(loaded->fused() != packed);
  CHECK(read_file(scratch / "model.safetensors", "test") == before);
}

TEST_CASE("the final norm of an RMS model is fp64 in fp64, and refuses vectors of another size") {
  const auto model = load_model(fixture("llama"));
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, weight] : model->weights()) weights[name] = weight.to(at::kDouble);
  const Transformer wide(model->config(), weights);
  const int64_t size = model->config().hidden_size;
  const at::Tensor x_BD = at::randn({3, size}, at::kDouble);
  const at::Tensor scale_B1 = (x_BD.square().mean(-1, true) + model->config().norm_eps).rsqrt();
  const at::Tensor want_BD = x_BD * scale_B1 * weights.at("final_norm.weight");
  CHECK(relative_error(wide.final_norm(x_BD), want_BD) < 1e-14);
  const at::NoGradGuard no_grad;
  for (const int64_t other : {size / 2, 2 * size}) {
    CHECK(holds(error_of([&] {
                  model->final_norm(at::ones({1, other}));
                }),
                "[norm] expected vectors of " + std::to_string(size) + " numbers but got [1, "));
  }
}
