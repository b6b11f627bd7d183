"""An encoding is told by few letters: those of a header above numbers, and of the words of types."""

import pytest
from tests.propose.shop import shop, table

from recaug.propose.encodings import tell

HEADERS = {
    "cp1252": ["Kundennummer", "Artikel", "Stückzahl", "Käufer"],
    "cp1250": ["zákazník", "zboží", "množství", "uživatel"],
    "cp1251": ["покупатель", "товар", "количество", "дата"],
    "cp1253": ["πελάτης", "προϊόν", "ποσότητα", "ημερομηνία"],
    "cp1254": ["müşteri", "ürün", "sipariş", "işlem"],
    "koi8_r": ["покупатель", "товар", "количество", "дата"],
    "cp932": ["会員番号", "商品コード", "数量", "日時"],
    "gb18030": ["用户编号", "商品编号", "数量", "时间"],
    "big5": ["會員編號", "商品編號", "數量", "時間"],
    "cp949": ["회원번호", "상품코드", "수량", "일시"],
    "cp874": ["ลูกค้า", "สินค้า", "จำนวน", "วันที่"],
    "utf-8": ["клиент", "produit", "数量", "Größe"],
}


@pytest.mark.parametrize("encoding", HEADERS)
def test_an_encoding_is_told_by_the_names_of_columns(encoding: str) -> None:
    header = HEADERS[encoding]
    rows = [[event.user, event.item, event.quantity, int(event.at.timestamp())] for event in shop()]
    data = table(header, rows).encode(encoding)
    assert data.decode(tell(data).python).splitlines()[0] == ",".join(header)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("gb18030", ["浏览", "收藏", "购买"]),
        ("cp1251", ["просмотр", "корзина", "покупка"]),
        ("cp932", ["閲覧", "カート", "購入"]),
    ],
)
def test_an_encoding_is_told_by_the_words_of_types(encoding: str, words: list[str]) -> None:
    names = dict(zip(("view", "cart", "purchase"), words, strict=True))
    data = table(None, [[event.user, event.item, names[event.action]] for event in shop()]).encode(encoding)
    assert set(words) <= {row.split(",")[2] for row in data.decode(tell(data).python).splitlines()}
