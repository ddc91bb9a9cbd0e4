"""The recipe of CrossNet-V2 on Frappe_x1 in plain PyTorch, to tell the recipe from our code.

    python plain.py ROWS SEED

ROWS is the folder that rows.py wrote. Prints an epoch's validation AUC, and at the end the test AUC
of the best epoch.
"""

import sys
from pathlib import Path

import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.nn import functional as F

FIELDS, DIM, LAYERS, BATCH, L2 = 10, 10, 4, 4096, 1e-3


class CrossNetV2(nn.Module):
    """x_{l+1} = x_0 * (W_l x_l + b_l) + x_l over the embeddings, and a linear layer."""

    def __init__(self, ids: int) -> None:
        super().__init__()
        width = FIELDS * DIM
        self.embedding = nn.Embedding(ids, DIM)
        nn.init.normal_(self.embedding.weight, std=1e-4)
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(LAYERS))
        self.output = nn.Linear(width, 1)
        for linear in (*self.layers, self.output):
            nn.init.xavier_normal_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, ids_BF: Tensor) -> Tensor:
        x_0 = x_l = self.embedding(ids_BF).flatten(1)
        for layer in self.layers:
            x_l = x_l + x_0 * layer(x_l)
        return self.output(x_l).squeeze(1)


def part(folder: str, name: str) -> tuple[Tensor, Tensor]:
    """Ids NF and labels N."""
    rows = torch.tensor(pd.read_csv(Path(folder) / f"{name}.csv").to_numpy())
    return rows[:, 1:], rows[:, 0].float()


def main(folder: str, seed: int) -> None:
    """Adam, gradients clipped to norm 10, the learning rate times .1 after an evaluation without a
    gain of 1e-6, an end after two of them."""
    torch.manual_seed(seed)
    (ids, labels), valid, test = (part(folder, name) for name in ("train", "valid", "test"))
    model = CrossNetV2(int(max(rows[0].max() for rows in ((ids,), valid, test))) + 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def auc(rows: tuple[Tensor, Tensor]) -> float:
        with torch.no_grad():
            return float(roc_auc_score(rows[1], model(rows[0])))

    best, found, without = -1.0, 0.0, 0
    for epoch in range(1, 101):
        for rows in torch.randperm(len(ids)).split(BATCH):
            loss = F.binary_cross_entropy_with_logits(model(ids[rows]), labels[rows])
            loss = loss + L2 / 2 * model.embedding.weight.norm() ** 2
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimizer.step()
        figure = auc(valid)
        print(f"epoch {epoch}: valid AUC {figure:.5f}", flush=True)
        if figure >= best + 1e-6:
            best, found, without = figure, auc(test), 0
            continue
        without += 1
        for group in optimizer.param_groups:
            group["lr"] = max(group["lr"] * 0.1, 1e-6)
        if without == 2:
            break
    print(f"test AUC {found:.5f}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
