#include "lib/core/safetensors.h"

#include <doctest/doctest.h>

#include <cstring>

#include "lib/core/json.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

std::string little_endian(uint64_t value) {
  std::string text(8, '\0');
  std::memcpy(text.data(), &value, 8);
  return text;
}

std::string file_text(const std::string& header, const std::string& data) {
  return little_endian(header.size()) + header + data;
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// One F32 tensor of two elements, with the fields that `changes` names replaced.
std::string one_tensor(const std::string& changes) {
  Json tensor = {{"dtype", "F32"}, {"shape", {2}}, {"data_offsets", {0, 8}}};
  tensor.merge_patch(Json::parse(changes));
  return Json{{"w", tensor}}.dump();
}

void write_index(const std::filesystem::path& folder, const Json& weight_map) {
  put(folder / "model.safetensors.index.json",
      Json{{"metadata", {{"total_size", 1}}}, {"weight_map", weight_map}}.dump());
}

void write_shard(const std::filesystem::path& path, const std::map<std::string, std::string>& contents,
                 const std::map<std::string, std::string>& metadata = {}) {
  std::map<std::string, TensorToWrite> tensors;
  for (const auto& [name, text] : contents)
    tensors[name] = {ElementType::U8, {static_cast<int64_t>(text.size())}, bytes_of(text)};
  write_safetensors(path, tensors, metadata);
}

}  // namespace

TEST_CASE("a file laid out by hand after the format's description is read as it stands") {
  const ScratchFolder folder;
  const std::string header =
      R"({"b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
      R"("a":{"data_offsets":[0,4],"shape":[],"dtype":"F32"},"none":{"dtype":"I64","shape":[0,7],"data_offsets":[4,4]},"__metadata__":{"format":"pt"}}  )";
  put(folder / "x", file_text(header, "0123456789abcdef"));
  Safetensors read = read_safetensors(folder / "x");
  REQUIRE(read.tensors.size() == 3);
  CHECK(read.metadata == std::map<std::string, std::string>{{"format", "pt"}});
  CHECK(read.tensors.at("a").type == ElementType::F32);
  CHECK(read.tensors.at("a").shape.empty());
  CHECK(text_of(read.tensors.at("a").bytes) == "0123");
  CHECK(read.tensors.at("b").type == ElementType::BF16);
  CHECK(read.tensors.at("b").shape == std::vector<int64_t>{2, 3});
  CHECK(text_of(read.tensors.at("b").bytes) == "456789abcdef");
  CHECK(read.tensors.at("none").bytes.empty());

  const TensorView kept = read.tensors.at("b");  // keeps the map alive on its own
  read = {};
  CHECK(text_of(kept.bytes) == "456789abcdef");
}

TEST_CASE("a file without tensors is valid") {
  const ScratchFolder folder;
  put(folder / "x", file_text("{}", ""));
  CHECK(read_safetensors(folder / "x").tensors.empty());
}

TEST_CASE("truncated safetensors header: error names the file and the byte") {
  const ScratchFolder folder;
  const std::string path = (folder / "x").string();
  const auto error = [&](const std::string& content) {
    put(path, content);
    return error_of([&] { read_safetensors(path); });
  };
  const std::string whole = file_text(one_tensor("{}"), "01234567");
  CHECK(error(whole) == "");
  const std::string header_end = std::to_string(whole.size() - 8);
  CHECK(error("") == "[read_safetensors] expected 8 bytes of header length but got a file of 0 bytes in " + path);
  CHECK(error(whole.substr(0, 7)) ==
        "[read_safetensors] expected 8 bytes of header length but got a file of 7 bytes in " + path);
  CHECK(error(whole.substr(0, 20)) == "[read_safetensors] expected the header to reach to byte " + header_end +
                                          " but got a file of 20 bytes in " + path);
  // Every shorter file is refused, wherever the cut falls.
  for (size_t size = 0; size < whole.size(); ++size) REQUIRE(holds(error(whole.substr(0, size)), " in " + path));
}

TEST_CASE("truncated safetensors data: error names the tensor, the file and the byte") {
  const ScratchFolder folder;
  const std::string path = (folder / "x").string();
  const std::string whole = file_text(one_tensor("{}"), "01234567");
  put(path, whole.substr(0, whole.size() - 1));
  CHECK(error_of([&] { read_safetensors(path); }) == "[read_safetensors] expected 'w' to reach to byte " +
                                                         std::to_string(whole.size()) + " but got a file of " +
                                                         std::to_string(whole.size() - 1) + " bytes in " + path);
}

TEST_CASE("damaged or hostile headers are refused; the error names the file and what is wrong") {
  const ScratchFolder folder;
  const std::string path = (folder / "x").string();
  const std::string eight = "01234567";
  const auto two = [](const std::string& first, const std::string& second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + first +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  struct Row {
    std::string content, part;
  };
  const std::vector<Row> rows = {
      {little_endian(100'000'001) + "{}", "at most 100000000 bytes but byte 0 announces 100000001"},
      {little_endian(~uint64_t{0}) + "{}", "at most 100000000 bytes but byte 0 announces 18446744073709551615"},
      {little_endian(3) + "{}", "expected the header to reach to byte 11 but got a file of 10 bytes"},
      {file_text("", ""), "start with '{' at byte 8"},
      {file_text(" {}", ""), "start with '{' at byte 8"},
      {file_text("[]", ""), "start with '{' at byte 8"},
      {file_text("{\"w\":", ""), "at byte 5"},
      {file_text(std::string("{}\0 ", 4), ""), "zero byte at byte 2"},
      {file_text("{\"w\":[[[[", ""), "nested at most 3 levels deep"},
      {file_text("{\"w\":3}", ""), "expected 'w' to be an object but got 3"},
      {file_text("{\"w\xff\":3}", ""), "at byte 3"},
      {file_text(one_tensor(R"({"dtype":"F31"})"), eight),
       "expected 'w.dtype' to be a known element type but got \"F31\""},
      {file_text(one_tensor(R"({"dtype":null})"), eight), "expected 'w.dtype' to be a string but got nothing"},
      {file_text(one_tensor(R"({"dtype":4})"), eight), "'w.dtype'"},
      {file_text(one_tensor(R"({"shape":null})"), eight), "'w.shape'"},
      {file_text(one_tensor(R"({"shape":[-2]})"), eight), "'w.shape' to have sizes of 0 or more"},
      {file_text(one_tensor(R"({"shape":[-1,-2]})"), eight), "'w.shape' to have sizes of 0 or more"},
      {file_text(one_tensor(R"({"shape":[2.0]})"), eight), "expected 'w.shape[0]' to be an integer but got 2.0"},
      {file_text(one_tensor(R"({"shape":["2"]})"), eight), "expected 'w.shape[0]' to be an integer but got \"2\""},
      {file_text(one_tensor(R"({"shape":[true]})"), eight), "'w.shape[0]'"},
      {file_text(one_tensor(R"({"shape":[9223372036854775808]})"), eight), "'w.shape[0]'"},
      {file_text(one_tensor(R"({"shape":[4611686018427387905,4]})"), eight), "fits 63 bits"},  // 16 bytes modulo 2^64
      {file_text(one_tensor(R"({"shape":[3]})"), eight), "expected 12 bytes of 'w' (F32 [3]) but got 8"},
      {file_text(one_tensor(R"({"shape":[0,2]})"), eight), "expected 0 bytes of 'w'"},
      {file_text(one_tensor(R"({"data_offsets":null})"), eight), "'w.data_offsets'"},
      {file_text(one_tensor(R"({"data_offsets":[0]})"), eight), "'w.data_offsets' to be [begin, end]"},
      {file_text(one_tensor(R"({"data_offsets":[0,8,8]})"), eight), "'w.data_offsets' to be [begin, end]"},
      {file_text(one_tensor(R"({"data_offsets":[8,0]})"), eight), "'w.data_offsets' to be [begin, end]"},
      {file_text(one_tensor(R"({"data_offsets":[-8,0]})"), eight), "'w.data_offsets' to be [begin, end]"},
      {file_text(one_tensor(R"({"data_offsets":[0.0,8]})"), eight),
       "expected 'w.data_offsets[0]' to be an integer but got 0.0"},
      {file_text(one_tensor(R"({"data_offsets":[9223372036854775799,9223372036854775807]})"), eight),
       "expected 'w' to reach to byte"},
      {file_text(two("[0,4]", "[3,7]"), eight), "expected 'b' to start at byte"},
      {file_text(two("[0,4]", "[0,4]"), "0123"), "(overlap)"},
      {file_text(two("[0,4]", "[5,9]"), "012345678"), "(hole)"},
      {file_text(two("[1,5]", "[5,9]"), "012345678"), "(hole)"},
      {file_text(two("[0,4]", "[4,8]"), "012345678"), "expected the last tensor to end with the file"},
      {file_text("{}", "x"), "expected the last tensor to end with the file"},
      {file_text(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                 R"("e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
                 "0123"),
       "expected 'e' to start at byte"},
      {file_text(R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                 R"("a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                 ""),
       "\"a\" twice"},
      {file_text(R"({"__metadata__":{"step":3}})", ""), "expected '__metadata__.step' to be a string but got 3"},
      {file_text(R"({"__metadata__":"pt"})", ""), "expected '__metadata__' to be an object but got \"pt\""},
  };
  for (const Row& row : rows) {
    put(path, row.content);
    const std::string error = error_of([&] { read_safetensors(path); });
    CHECK_MESSAGE(holds(error, row.part), error, " lacks: ", row.part);
    CHECK(holds(error, "[read_safetensors] expected"));
    CHECK(holds(error, path));
  }
}

TEST_CASE("every byte of a small file may be flipped: it is read or refused, never anything else") {
  const ScratchFolder folder;
  const std::string whole =
      file_text(R"({"__metadata__":{"a":"b"},"w":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}})", "0123");
  int refused = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int bit : {0, 1, 4, 7}) {
      std::string damaged = whole;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << bit));
      put(folder / "x", damaged);
      try {
        for (const auto& [name, tensor] : read_safetensors(folder / "x").tensors) REQUIRE(tensor.bytes.size() == 4);
      } catch (const Error&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("written tensors come back byte for byte, and writing them again gives the same file") {
  const ScratchFolder folder;
  const std::string data = "0123456789abcdefghijklmnopqrstuv";
  const auto part = [&](size_t size) { return bytes_of(data).first(size); };
  const std::map<std::string, TensorToWrite> tensors = {
      {"a.f64", {ElementType::F64, {2}, part(16)}},       {"b.bool", {ElementType::BOOL, {3}, part(3)}},
      {"c.f32", {ElementType::F32, {2, 1, 3}, part(24)}}, {"d.bf16", {ElementType::BF16, {5}, part(10)}},
      {"e.f16", {ElementType::F16, {1, 1}, part(2)}},     {"f.i64", {ElementType::I64, {}, part(8)}},
      {"g.i32", {ElementType::I32, {3}, part(12)}},       {"h.i16", {ElementType::I16, {3}, part(6)}},
      {"i.i8", {ElementType::I8, {5}, part(5)}},          {"j.u8", {ElementType::U8, {7}, part(7)}},
      {"k.e4m3", {ElementType::F8_E4M3, {1}, part(1)}},   {"l.e5m2", {ElementType::F8_E5M2, {3}, part(3)}},
      {"m.none", {ElementType::F32, {4, 0}, part(0)}},    {"n \"quoted\" ü", {ElementType::U8, {1}, part(1)}}};
  const std::map<std::string, std::string> metadata = {{"format", "pt"}, {"note", "line\n\"two\""}};
  write_safetensors(folder / "x", tensors, metadata);

  const Safetensors read = read_safetensors(folder / "x");
  CHECK(read.metadata == metadata);
  REQUIRE(read.tensors.size() == tensors.size());
  std::map<std::string, TensorToWrite> again;
  for (const auto& entry : tensors) {
    const std::string& name = entry.first;
    const TensorToWrite& tensor = entry.second;
    CAPTURE(name);
    const TensorView& view = read.tensors.at(name);
    CHECK(view.type == tensor.type);
    CHECK(view.shape == tensor.shape);
    CHECK(text_of(view.bytes) == text_of(tensor.bytes));
    CHECK(reinterpret_cast<uintptr_t>(view.bytes.data()) % static_cast<uintptr_t>(element_bytes(view.type)) == 0);
    again[name] = {view.type, view.shape, view.bytes};
  }
  write_safetensors(folder / "y", again, read.metadata);
  CHECK(read_file(folder / "x", "test") == read_file(folder / "y", "test"));
}

TEST_CASE("the written bytes are those of the format") {
  const ScratchFolder folder;
  write_safetensors(
      folder / "x",
      {{"b", {ElementType::I16, {1, 2}, bytes_of("4567")}}, {"a", {ElementType::F32, {}, bytes_of("0123")}}},
      {{"format", "pt"}});
  std::string header = R"({"__metadata__":{"format":"pt"},"a":{"data_offsets":[0,4],"dtype":"F32","shape":[]},)"
                       R"("b":{"data_offsets":[4,8],"dtype":"I16","shape":[1,2]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  CHECK(read_file(folder / "x", "test") == file_text(header, "01234567"));
}

TEST_CASE("tensors that cannot be written are refused before the file is touched") {
  const ScratchFolder folder;
  put(folder / "x", "old");
  struct Row {
    std::string name;
    TensorToWrite tensor;
    std::string part;
  };
  const std::vector<Row> rows = {
      {"w", {ElementType::F32, {2}, bytes_of("0123")}, "expected 8 bytes of 'w' (F32 [2]) but got 4"},
      {"w", {ElementType::F32, {-1, -1}, bytes_of("0123")}, "possible shape but got [-1, -1]"},
      {"w", {ElementType::U8, {int64_t{1} << 62, 4}, {}}, "possible shape"},
      {"__metadata__", {ElementType::U8, {1}, bytes_of("0")}, "reserved"},
      {"\xff", {ElementType::U8, {1}, bytes_of("0")}, "UTF-8"}};
  for (const Row& row : rows) {
    const std::string error = error_of([&] { write_safetensors(folder / "x", {{row.name, row.tensor}}); });
    CHECK_MESSAGE(holds(error, row.part), error);
    CHECK(holds(error, "[write_safetensors] expected"));
    CHECK(holds(error, (folder / "x").string()));
  }
  CHECK(read_file(folder / "x", "test") == "old");
}

TEST_CASE("every element type has a name of the format and its size") {
  CHECK(element_name(ElementType::BF16) == "BF16");
  CHECK(element_bytes(ElementType::BF16) == 2);
  CHECK(element_name(ElementType::F8_E4M3) == "F8_E4M3");
  CHECK(element_bytes(ElementType::BOOL) == 1);
  CHECK(holds(error_of([] { element_bytes(static_cast<ElementType>(99)); }), "got number 99"));
}

TEST_CASE("a directory is read from model.safetensors, or from the shards of the index") {
  const ScratchFolder folder;
  write_shard(folder / "one.safetensors", {{"a", "A"}, {"extra", "E"}}, {{"format", "pt"}, {"part", "one"}});
  write_shard(folder / "two.safetensors", {{"b", "B"}, {"a", "old"}}, {{"part", "two"}});
  write_index(folder.path(), {{"a", "one.safetensors"}, {"b", "two.safetensors"}});
  const Safetensors sharded = read_safetensors_directory(folder.path());
  CHECK(sharded.tensors.size() == 3);
  CHECK(text_of(sharded.tensors.at("a").bytes) == "A");  // the index decides
  CHECK(text_of(sharded.tensors.at("b").bytes) == "B");
  CHECK(text_of(sharded.tensors.at("extra").bytes) == "E");
  CHECK(sharded.metadata == std::map<std::string, std::string>{{"format", "pt"}, {"part", "one"}});

  write_shard(folder / "model.safetensors", {{"whole", "W"}});
  const Safetensors single = read_safetensors_directory(folder.path());
  CHECK(single.tensors.size() == 1);
  CHECK(text_of(single.tensors.at("whole").bytes) == "W");
}

TEST_CASE("an incomplete directory: error names what is missing") {
  const ScratchFolder folder;
  const auto error = [&] { return error_of([&] { read_safetensors_directory(folder.path()); }); };
  CHECK(holds(error(), "expected model.safetensors or model.safetensors.index.json but got neither in " +
                           folder.path().string()));
  CHECK(holds(error_of([&] { read_safetensors_directory(folder / "none"); }), "expected a directory"));

  write_shard(folder / "1.safetensors", {{"a", "A"}});
  write_index(folder.path(),
              {{"a", "1.safetensors"}, {"b", "2.safetensors"}, {"c", "2.safetensors"}, {"d", "3.safetensors"}});
  CHECK(holds(error(), "index.json but got no '2.safetensors', '3.safetensors'"));

  Json promised = {{"a", "1.safetensors"}};
  for (int i = 0; i < 8; ++i) promised["x" + std::to_string(i)] = "1.safetensors";
  write_index(folder.path(), promised);
  CHECK(holds(error(), "but got no 'x0' in '1.safetensors', 'x1' in '1.safetensors',"));
  CHECK(holds(error(), "'x4' in '1.safetensors' and 3 more in " + folder.path().string()));

  write_shard(folder / "2.safetensors", {{"b", "B"}, {"both", "2"}});
  write_shard(folder / "1.safetensors", {{"a", "A"}, {"both", "1"}});
  write_index(folder.path(), {{"a", "1.safetensors"}, {"b", "2.safetensors"}});
  CHECK(holds(error(), "expected 'both', which the index does not list, in one shard"));
}

TEST_CASE("an index that is no index, or reaches out of its directory, is refused") {
  const ScratchFolder folder;
  std::filesystem::create_directory(folder / "model");
  write_shard(folder / "outside.safetensors", {{"a", "A"}});
  for (const std::string shard : {"../outside.safetensors", "..", ".", "", "/etc/passwd"}) {
    write_index(folder / "model", {{"a", shard}});
    const std::string error = error_of([&] { read_safetensors_directory(folder / "model"); });
    CHECK(holds(error, "expected 'weight_map.a' to be the name of a file beside the index"));
    CHECK(holds(error, "model.safetensors.index.json"));
  }
  struct Row {
    std::string text, part;
  };
  const std::vector<Row> rows = {{"{}", "'weight_map'"},
                                 {R"({"weight_map":{}})", "to list tensors but got none"},
                                 {R"({"weight_map":{"a":1}})", "expected 'weight_map.a' to be a string but got 1"},
                                 {R"({"weight_map":)", "at byte 14"}};
  for (const Row& row : rows) {
    put(folder / "model" / "model.safetensors.index.json", row.text);
    const std::string error = error_of([&] { read_safetensors_directory(folder / "model"); });
    CHECK_MESSAGE(holds(error, row.part), error);
  }
}
