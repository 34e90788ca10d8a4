#include <doctest/doctest.h>

#include <fstream>
#include <numeric>

#include "eval/probe/compression.h"
#include "lib/core/json.h"
#include "tests/eval/probe_support.h"
#include "tests/eval/run_support.h"
#include "tests/support/fixture.h"

using namespace tacit;
using namespace tacit::test;
using namespace tacit::probe;

namespace {

std::filesystem::path written(const ScratchFolder& folder, const std::string& text) {
  const std::filesystem::path path = folder / "items.csv";
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

// Four categories of words; the embedding of every word is its category's direction and a little of its own, and the
// typicality falls with how much.
LoadedModel planted_model(std::vector<CategoryItem>& items) {
  std::vector<std::string> words;
  items.clear();
  for (int64_t c = 0; c < 4; ++c) {
    const std::string category = "kind" + std::to_string(c);
    words.push_back(category);
    for (int64_t i = 0; i < 8; ++i) {
      words.push_back("word" + std::to_string(c) + "_" + std::to_string(i));
      items.push_back({words.back(), category, 10.0 - static_cast<double>(i), "planted"});
    }
  }
  const TinyModelOptions tiny{.vocab_size = std::ssize(words)};
  const auto model = tiny_model(tiny);
  std::map<std::string, at::Tensor> weights = model->weights();
  const int64_t width = model->config().hidden_size;
  at::Tensor embedding_VD = at::zeros({std::ssize(words), width});
  for (int64_t v = 0; v < std::ssize(words); ++v) {
    embedding_VD[v][v / 9] = 1;
    if (v % 9 > 0) embedding_VD[v][8 + v % 9] = .02 * static_cast<double>(v % 9);
  }
  for (auto& [name, weight] : weights) {
    if (weight.sizes() == embedding_VD.sizes() && name.find("embed") != std::string::npos) weight = embedding_VD;
  }
  LoadedModel out;
  out.directory = "/nowhere/planted";
  out.model = std::make_shared<const Transformer>(model->config(), std::move(weights));
  out.tokenizer = make_word_tokenizer(words);
  REQUIRE(out.model->embed(at::tensor({int64_t{1}}))[0][0].item<double>() != 0);
  return out;
}

std::string csv_of(const std::vector<CategoryItem>& items) {
  std::string text = "item,category,typicality,subdataset\n";
  for (const CategoryItem& item : items)
    text += item.item + "," + item.category + "," + std::to_string(*item.typicality) + "," + item.subset + "\n";
  return text;
}

}  // namespace

TEST_CASE("adjusted mutual information and rank correlation are those of scikit-learn and SciPy") {
  const Json expected = read_json(fixture("probe.json"), "test");
  CHECK(expected.at("ami").size() == 11);
  for (const Json& one : expected.at("ami")) {
    const auto a = one.at("a").get<std::vector<int64_t>>(), b = one.at("b").get<std::vector<int64_t>>();
    CAPTURE(one.at("expected").get<double>());
    CHECK(std::abs(adjusted_mutual_information(a, b) - one.at("expected").get<double>()) < 1e-9);
    CHECK(std::abs(adjusted_mutual_information(b, a) - one.at("expected").get<double>()) < 1e-9);
  }
  CHECK(expected.at("spearman").size() == 6);
  for (const Json& one : expected.at("spearman")) {
    const auto a = one.at("a").get<std::vector<double>>(), b = one.at("b").get<std::vector<double>>();
    CHECK(std::abs(spearman(a, b) - one.at("expected").get<double>()) < 1e-12);
  }
  CHECK(std::isnan(spearman(std::vector<double>{1, 1, 1}, std::vector<double>{1, 2, 3})));
}

TEST_CASE("rate and distortion: the two ends are known, and L is their weighted sum") {
  const at::Tensor x_ND = normal(16, 3, 1);
  std::vector<int64_t> alone(16), together(16, 0), halves(16);
  std::iota(alone.begin(), alone.end(), 0);
  for (int64_t i = 0; i < 16; ++i) halves[i] = i % 2;
  CHECK(compression(x_ND, alone).information == doctest::Approx(4));
  CHECK(compression(x_ND, alone).distortion == 0);
  CHECK(compression(x_ND, together).information == 0);
  const double variance = (x_ND - x_ND.mean(0)).square().sum(1).mean().item<double>();
  CHECK(compression(x_ND, together).distortion == doctest::Approx(variance));
  CHECK(compression(x_ND, halves).information == doctest::Approx(1));
  const Compression c = compression(x_ND, halves, 2.5);
  CHECK(c.loss == doctest::Approx(c.information + 2.5 * c.distortion));
  CHECK_THROWS_WITH_AS(compression(x_ND, std::vector<int64_t>{1, 2}), doctest::Contains("[distortion] expected"),
                       Error);
}

TEST_CASE("k-means finds planted clusters, the same for the same seed, and gives every cluster an item") {
  std::vector<at::Tensor> parts;
  std::vector<int64_t> truth;
  for (int64_t c = 0; c < 5; ++c) {
    parts.push_back(normal(12, 6, static_cast<uint64_t>(c)) * .3 + 4 * at::one_hot(at::tensor({c}), 6).to(at::kDouble));
    truth.insert(truth.end(), 12, c);
  }
  const at::Tensor x_ND = at::cat(parts);
  const KMeans found = k_means(x_ND, 5);
  CHECK(adjusted_mutual_information(found.labels, truth) == doctest::Approx(1));
  CHECK(found.distortion == doctest::Approx(distortion(x_ND, truth)));
  CHECK(k_means(x_ND, 5).labels == found.labels);
  // Distortion never rises with the number of clusters by much, and ends at 0.
  CHECK(k_means(x_ND, 10).distortion < found.distortion);
  CHECK(k_means(x_ND, 60).distortion == doctest::Approx(0));
  CHECK(k_means(x_ND, 1).distortion == doctest::Approx(distortion(x_ND, std::vector<int64_t>(60, 0))));
  const KMeans alike = k_means(at::ones({4, 2}), 3);  // nothing to tell apart
  CHECK(std::ssize(alike.labels) == 4);
  CHECK(alike.distortion == 0);
  CHECK_THROWS_AS(k_means(x_ND, 61), Error);
}

TEST_CASE("a file of human categories: columns in any order, quotes, ratings that are missing, and what is refused") {
  const ScratchFolder folder;
  const auto path = written(folder,
                            "typicality,item,other,category,subdataset\r\n10,\"Sea, \"\"Anemone\"\"\",x,Animal,A\r\n"
                            ",\"Rug,\nred\",x,Furniture,B\n\n9.5,Dog,x,Animal,B\n");
  const auto items = read_categories(path);
  REQUIRE(items.size() == 3);
  CHECK(items[0].item == "Sea, \"Anemone\"");
  CHECK(items[0].typicality == 10);
  CHECK(items[1].item == "Rug,\nred");  // the project's CSV: a quoted field may hold line ends
  CHECK_FALSE(items[1].typicality);
  CHECK(items[2].subset == "B");
  CHECK(read_categories(path, "B").size() == 2);
  CHECK_THROWS_WITH_AS(read_categories(path, "C"), doctest::Contains("subset 'C'; it has: A, B"), Error);
  const auto refused = [&](const std::string& text, const char* what) {
    CHECK_THROWS_WITH_AS(read_categories(written(folder, text)), doctest::Contains(what), Error);
  };
  refused("word,category\nDog,Animal\n", "expected a header with the columns 'item' and 'category'");
  refused("item,category\nDog\n", "expected 2 columns but got 1 in line 2 of");
  refused("item,category\n\"Dog,Animal\n", "expected a closing quote for the field that begins in line 2");
  refused("item,category,typicality\nDog,Animal,much\n", "but got 'much' in line 2 of");
  refused("item,category\n,Animal\n", "expected an item and its category");
  refused("item,category\n", "expected items in");
}

TEST_CASE(
    "probe compression: planted categories are found, typicality follows, random weights and shuffles say nothing") {
  const ScratchFolder folder;
  std::vector<CategoryItem> items;
  const LoadedModel model = planted_model(items);
  items.push_back({"unheard", "kind0", 1.0, "planted"});
  const ProbeReport report = probe_compression(model, {.items = written(folder, csv_of(items))});
  CHECK(report.json.at("items") == 32);
  CHECK(report.json.at("missing") == OrderedJson({"unheard"}));
  bool said = false;
  for (const std::string& note : report.notes) said |= note.find("unheard") != std::string::npos;
  CHECK(said);
  const OrderedJson& own = report.json.at("embeddings")[0];
  CHECK(own.at("ami").at("mean") == doctest::Approx(1));
  CHECK(std::abs(own.at("ami_shuffled_categories").at("mean").get<double>()) < .05);
  CHECK(own.at("typicality").at("mean_spearman").at("mean") == doctest::Approx(1));
  // At the planted partition k-means and people agree, so their rate and distortion do.
  CHECK(own.at("by_clusters")[2].at("clusters") == 4);
  CHECK(own.at("by_clusters")[2].at("k_means").at("loss").get<double>() ==
        doctest::Approx(own.at("human_categories").at("loss").get<double>()));
  CHECK(own.at("human_shuffled").at("distortion").get<double>() >
        5 * own.at("human_categories").at("distortion").get<double>());
  const OrderedJson& random = report.json.at("embeddings")[1];
  CHECK(random.at("ami").at("mean").get<double>() < .3);
}

TEST_CASE("probe compression: a vocabulary without the words is an error that counts them") {
  const ScratchFolder folder;
  const auto path = written(folder, "item,category\ndog,animal\ncat,animal\nrug,furniture\nbed,furniture\n");
  CHECK_THROWS_WITH_AS(probe_compression(tiny_checkpoint(), {.items = path}),
                       doctest::Contains("4 items are missing from its vocabulary"), Error);
}
